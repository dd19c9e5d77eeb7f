//! Secrets that can be guessed.

mod templates;
mod weakness;

//! The scope of a request, by itself and as its layer makes it.

mod layer;
mod sharing;

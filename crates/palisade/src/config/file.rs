//! A file as a tree whose values know their lines, and its reading into a model.

mod deserialize;
mod document;
mod nearest;
mod place;
mod read;

pub(super) use self::document::{Node, Value, parse};
pub(super) use self::nearest::nearest;
pub(super) use self::place::{Path, Place, Step};
pub(super) use self::read::{Found, read};

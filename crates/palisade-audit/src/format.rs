//! How a record becomes a line.

pub(crate) mod json;
pub(crate) mod native;
pub(crate) mod view;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// Palisade's own JSON, described in the crate's documentation.
    #[default]
    Native,
}

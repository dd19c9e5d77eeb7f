//! How a record becomes a line.

pub(crate) mod json;
pub(crate) mod native;
pub(crate) mod view;

use self::native::Tools;
use self::view::View;

/// The form of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// Palisade's own JSON, described in the crate's documentation.
    #[default]
    Native,
}

impl Format {
    /// Appends a record without its last closing brace.
    pub(crate) fn open(self, out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
        match self {
            Self::Native => native::open(out, seq, view, tools),
        }
    }

    /// Begins the place for members that the format knows nothing of.
    #[expect(clippy::unused_self, reason = "other formats have such a place")]
    pub(crate) fn open_extra(self, _out: &mut Vec<u8>) {}

    /// Ends that place.
    #[expect(clippy::unused_self, reason = "other formats have such a place")]
    pub(crate) fn close_extra(self, _out: &mut Vec<u8>) {}
}

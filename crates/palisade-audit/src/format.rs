//! The formats of lines.

mod ecs;
mod host;
pub(crate) mod json;
pub(crate) mod native;
mod ocsf;
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
    /// Elastic Common Schema 8.11; what it has no field for is in the object `palisade`.
    Ecs,
    /// Open Cybersecurity Schema Framework 1.3: Authentication (3002) for logins and tokens, Authorize Session (3003)
    /// for refused principals, API Activity (6003) for the rest; what it has no attribute for is in `unmapped`.
    Ocsf,
}

impl Format {
    /// Appends a record without its end, where members that a format knows nothing of can be added.
    pub(crate) fn open(self, out: &mut Vec<u8>, seq: u64, view: &View<'_>, tools: &mut Tools) {
        match self {
            Self::Native => native::open(out, seq, view, tools),
            Self::Ecs => ecs::open(out, seq, view, tools),
            Self::Ocsf => ocsf::open(out, seq, view, tools),
        }
    }

    /// Ends the record.
    pub(crate) fn close(self, out: &mut Vec<u8>) {
        match self {
            Self::Native => out.push(b'}'),
            Self::Ecs | Self::Ocsf => out.extend_from_slice(b"}}"),
        }
    }
}

//! The kinds of servers, and the line that each prints once it listens.

/// The kind of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Ours,
    Peers,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Ours, Self::Peers];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Ours => "ours",
            Self::Peers => "peers",
        }
    }
}

/// The text that a server prints before its address once it listens.
pub(super) const LISTENING: &str = "listening on ";

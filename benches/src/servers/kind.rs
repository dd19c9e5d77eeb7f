//! Which servers there are, and what each says once it listens.

/// Which server.
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

/// What a server says once it listens, before its address.
pub(super) const LISTENING: &str = "listening on ";

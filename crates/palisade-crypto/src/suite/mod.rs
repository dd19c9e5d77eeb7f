//! The ciphers. Each takes a key of its own, derived from the key in the keyring, so that no two uses share one.

mod committing;
mod derive;
mod legacy;
mod xaes;

pub(crate) use self::committing::Committing;
pub(crate) use self::derive::{Failed, NONCE_LEN, TAG_LEN, expand, extract, wipe};
pub use self::legacy::LegacyReader;
pub(crate) use self::xaes::{Series, Xaes};

/// A way of sealing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Suite {
    /// `01`, the default: XAES-256-GCM (C2SP) with random nonces of 192 bits, good for 2^80 values under one key.
    #[default]
    Xaes,
    /// `02`: a key per value from HKDF-SHA256, with a commitment to it of 32 bytes; then AES-256-GCM.
    ///
    /// For keys that tenants supply: with suite `01` somebody who chooses two keys can make one sealed value that
    /// opens to different texts under both. 32 bytes longer and about three times slower than `01`.
    Committing,
}

impl Suite {
    /// The byte that stands for it in a sealed value.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Xaes => 1,
            Self::Committing => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Xaes),
            2 => Some(Self::Committing),
            _ => None,
        }
    }

    /// The number of bytes between the nonce and the ciphertext.
    pub(crate) const fn commitment_len(self) -> usize {
        match self {
            Self::Xaes => 0,
            Self::Committing => committing::COMMITMENT_LEN,
        }
    }
}

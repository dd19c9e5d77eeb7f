use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use palisade_core::Problems;
use palisade_core::random;
use palisade_core::time::Instant;
use ring::digest;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::AuditError;
use crate::format::json;

/// The prefix of every signed message, so that no signature serves for anything else.
const DOMAIN: &[u8] = b"palisade-audit checkpoint v1\n";

/// The member that holds the seal, as it stands in a line.
pub(crate) const SEAL: &[u8] = b"\"seal\":{\"seq\":";

/// The member that holds the signature of a checkpoint.
pub(crate) const SIGNATURE: &[u8] = b",\"signature\":\"";

/// A hash of one line.
pub(crate) type Hash = [u8; 32];

/// Makes a trail tamper-evident: every record carries the SHA-256 of the line before it, and checkpoints are signed.
///
/// # Security
///
/// Whoever changes, inserts, removes or moves a line must change the hashes of all that follow, and cannot sign the
/// next checkpoint. What comes after the last checkpoint is chained but not signed: whoever can write the file can cut
/// it off there, or write it anew. Ship records, or at least the checkpoints, to another machine; a checkpoint that
/// is kept elsewhere shows what was cut off before it.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use palisade_audit::{Seal, SigningKey};
///
/// let key = SigningKey::generate()?;
/// let seal = Seal::chain().checkpoint(key, 1_000, Duration::from_secs(60));
/// # let _ = seal;
/// # Ok::<(), palisade_audit::AuditError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Seal {
    checkpoints: Option<Checkpoints>,
    apart: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Checkpoints {
    key: SigningKey,
    every: u64,
    period: Duration,
}

impl Seal {
    /// A chain of hashes without signatures: shows accidents, and changes by those who do not know about it.
    #[must_use]
    pub const fn chain() -> Self {
        Self {
            checkpoints: None,
            apart: None,
        }
    }

    /// Signs a checkpoint after `every` records (at least 1), after `period` (at least 1 second) where there were any,
    /// and at the end of each file.
    #[must_use]
    pub fn checkpoint(mut self, key: SigningKey, every: u64, period: Duration) -> Self {
        self.checkpoints = Some(Checkpoints { key, every, period });
        self
    }

    /// Also appends each checkpoint to this file, which belongs on another disk, or on one that can only be appended to:
    /// `palisade-audit verify --checkpoints FILE` then finds out that the end of the trail was cut off, up to the last
    /// checkpoint in it.
    #[must_use]
    pub fn copy_checkpoints(mut self, file: impl Into<PathBuf>) -> Self {
        self.apart = Some(file.into());
        self
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        let Some(checkpoints) = &self.checkpoints else {
            if self.apart.is_some() {
                problems.push("seal.copy_checkpoints", "there are no checkpoints to copy");
            }
            return;
        };
        if checkpoints.every == 0 {
            problems.push("seal.checkpoint", "records must be at least 1");
        }
        if checkpoints.period < Duration::from_secs(1) {
            problems.push("seal.checkpoint", "period must be at least 1 second");
        }
    }
}

/// The private key that signs checkpoints: Ed25519 (RFC 8032).
#[derive(Clone)]
pub struct SigningKey(Arc<Ed25519KeyPair>);

impl SigningKey {
    /// A new key, which lives as long as the process: for tests, and for trails whose public key is kept elsewhere.
    ///
    /// # Errors
    ///
    /// Fails only when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, AuditError> {
        let seed = random::bytes::<32>()
            .map_err(|error| Problems::one("seal.signing_key", error.to_string()))?;
        Self::from_seed(&seed)
    }

    /// The key of a seed of 32 bytes.
    ///
    /// # Errors
    ///
    /// Refuses other lengths.
    pub fn from_seed(seed: &[u8]) -> Result<Self, AuditError> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(|pair| Self(Arc::new(pair)))
            .map_err(|_| Problems::one("seal.signing_key", "a seed is 32 bytes").into())
    }

    /// The key in a PEM file, as `openssl genpkey -algorithm ed25519` writes it (RFC 8410).
    ///
    /// # Errors
    ///
    /// Refuses what is no such key.
    pub fn from_pem(pem: &str) -> Result<Self, AuditError> {
        let refuse = || Problems::one("seal.signing_key", "is no Ed25519 private key in PEM form");
        let body: String = pem
            .trim()
            .strip_prefix("-----BEGIN PRIVATE KEY-----")
            .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
            .ok_or_else(refuse)?
            .split_ascii_whitespace()
            .collect();
        let der = STANDARD.decode(body).map_err(|_| refuse())?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map(|pair| Self(Arc::new(pair)))
            .map_err(|_| refuse().into())
    }

    /// The key that proves this one's signatures, 32 bytes; keep it where the trail's writer cannot change it.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        key
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey([redacted])")
    }
}

/// The hash of a line, without its line feed.
pub(crate) fn hash(line: &[u8]) -> Hash {
    let digest = digest::digest(&digest::SHA256, line);
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    hash
}

/// Whether `signature`, in base64url, is this key's for the line up to it.
pub(crate) fn is_signed(key: &[u8; 32], signed: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return false;
    };
    let message = [DOMAIN, signed].concat();
    UnparsedPublicKey::new(&ED25519, key)
        .verify(&message, &signature)
        .is_ok()
}

/// The chain of a trail at work.
#[derive(Debug)]
pub(crate) struct Chain {
    seal: Seal,
    boot: [u8; 8],
    pub(crate) head: Hash,
    /// Records since the last checkpoint.
    since: u64,
    signed_at: Option<Instant>,
    /// Whether the line in hand is a checkpoint.
    signing: bool,
    /// The file with copies of the checkpoints, until it is taken.
    apart: Option<File>,
    copies: bool,
    /// Checkpoints that are to be written there with the lines that they are in.
    to_copy: Vec<u8>,
}

impl Chain {
    /// # Errors
    ///
    /// Fails when the file for checkpoints cannot be opened, or the operating system gives no random bytes.
    pub(crate) fn resume(seal: Seal, head: Hash) -> Result<Self, AuditError> {
        let apart = match &seal.apart {
            Some(path) => {
                let opened = File::options().create(true).append(true).open(path);
                Some(opened.map_err(AuditError::io(path))?)
            }
            None => None,
        };
        let boot =
            random::bytes().map_err(|error| Problems::one("seal.boot", error.to_string()))?;
        Ok(Self {
            seal,
            boot,
            head,
            since: 0,
            signed_at: None,
            signing: false,
            copies: apart.is_some(),
            apart,
            to_copy: Vec::new(),
        })
    }

    /// Appends the seal, as the last member of a line that is still open.
    pub(crate) fn write(&self, out: &mut Vec<u8>, seq: u64) {
        out.push(b',');
        out.extend_from_slice(SEAL);
        json::number(out, seq);
        out.extend_from_slice(b",\"boot\":\"");
        json::hex(out, &self.boot);
        out.extend_from_slice(b"\",\"prev\":\"");
        json::hex(out, &self.head);
        out.extend_from_slice(b"\"}");
    }

    /// Appends the signature of the line so far.
    pub(crate) fn sign(&mut self, out: &mut Vec<u8>, line: usize, now: Instant) {
        self.signed_at = Some(now);
        self.signing = true;
        let Some(checkpoints) = &self.seal.checkpoints else {
            return;
        };
        let message = [DOMAIN, out.get(line..).unwrap_or_default()].concat();
        let signature = checkpoints.key.0.sign(&message);
        out.extend_from_slice(SIGNATURE);
        out.extend_from_slice(URL_SAFE_NO_PAD.encode(signature.as_ref()).as_bytes());
        out.push(b'"');
    }

    /// Takes the finished line into the chain.
    pub(crate) fn take(&mut self, line: &[u8]) {
        self.head = hash(line);
        self.since += 1;
        if std::mem::take(&mut self.signing) {
            // A checkpoint needs none for itself, or an idle trail would sign for ever.
            self.since = 0;
            if self.copies {
                self.to_copy.extend_from_slice(line);
                self.to_copy.push(b'\n');
            }
        }
    }

    /// Takes the checkpoints that are to be copied once their lines are written.
    pub(crate) fn take_copies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_copy)
    }

    /// Takes the file with copies of the checkpoints, for whoever knows when lines are written.
    pub(crate) fn take_copier(&mut self) -> Copier {
        Copier {
            file: self.apart.take(),
        }
    }

    /// Whether a checkpoint is due.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let Some(checkpoints) = &self.seal.checkpoints else {
            return false;
        };
        let signed_at = *self.signed_at.get_or_insert(now);
        let age = now.saturating_duration_since(signed_at);
        self.since >= checkpoints.every || (self.since > 0 && age >= checkpoints.period)
    }

    /// The public key, where checkpoints are signed.
    pub(crate) fn public_key(&self) -> Option<[u8; 32]> {
        let checkpoints = self.seal.checkpoints.as_ref()?;
        Some(checkpoints.key.public_key())
    }

    /// Returns the time until a checkpoint is due without further records.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let checkpoints = self.seal.checkpoints.as_ref()?;
        (self.since > 0).then_some(checkpoints.period)
    }
}

/// Copies checkpoints to the file that is kept apart from the trail, where there is one.
#[derive(Debug, Default)]
pub(crate) struct Copier {
    file: Option<File>,
}

impl Copier {
    /// Copies the checkpoints of lines that were written.
    pub(crate) fn copy(&mut self, checkpoints: &[u8]) {
        if let Some(file) = &mut self.file
            && !checkpoints.is_empty()
            && let Err(error) = file.write_all(checkpoints).and_then(|()| file.sync_data())
        {
            tracing::error!(target: "palisade_audit", %error, "checkpoints could not be copied");
        }
    }
}

#[cfg(test)]
mod tests;

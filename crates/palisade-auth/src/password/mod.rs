//! Passwords: argon2id, away from the threads that serve requests, and never more of it than the machine bears.

mod builder;
mod elsewhere;
mod memory;
mod phc;

use std::fmt;
use std::sync::Arc;

#[cfg(feature = "password-legacy")]
use base64::{Engine, engine::general_purpose::STANDARD};
use palisade_core::{EventKind, RequestScope, SecurityEvent, random};
#[cfg(feature = "password-legacy")]
use ring::hmac;
use ring::pbkdf2;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::builder::PasswordsBuilder;
use self::memory::WorkingMemory;
#[cfg(feature = "password-legacy")]
use self::phc::Prehash;
use self::phc::{Cost, Stored};
use crate::Refusal;
use crate::challenge::note;

/// Hashes and verifies passwords. Clones share the bound on how many are worked on.
///
/// # Example
///
/// ```
/// use palisade_auth::Passwords;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let passwords = Passwords::builder().build()?;
/// let stored = passwords.hash("correct horse battery staple").await?;
/// assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
///
/// assert!(passwords.verify("correct horse battery staple", Some(&stored)).await.is_ok());
/// assert!(passwords.verify("incorrect horse", Some(&stored)).await.is_err());
/// // An account that does not exist takes as long to refuse.
/// assert!(passwords.verify("incorrect horse", None).await.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    cost: Cost,
    memory: WorkingMemory,
    min_chars: usize,
    blocked: Option<Arc<Blocked>>,
    /// The hash that unknown accounts are verified against.
    dummy: Box<str>,
    /// Those that work and those that wait for it.
    admitted: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

type Blocked = dyn Fn(&str) -> bool + Send + Sync;

/// A password that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Held {
    /// Its hash is as strong as new ones.
    Current,
    /// Its hash is weaker than new ones or of an older kind: hash the password again and keep that.
    Rehash,
}

/// The reason for which a password was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// It has too few characters.
    #[error("a password needs at least {0} characters")]
    TooShort(usize),
    /// It is longer than 1,024 bytes.
    #[error("a password has at most 1024 bytes")]
    TooLong,
    /// It is on the list of those that everybody tries.
    #[error("this password is well known; choose another one")]
    Blocked,
    /// Too many are being worked on: answer 503.
    #[error("too many passwords are being checked")]
    Overloaded,
    /// The operating system gave no random bytes, or the hash could not be computed.
    #[error("the password could not be hashed")]
    Failed,
}

const MAX_BYTES: usize = 1024;
const SALT: usize = 16;
const HASH: usize = 32;

impl Passwords {
    /// 19 MiB, 2 passes, 1 lane: the first choice of OWASP's Password Storage Cheat Sheet for argon2id.
    const DEFAULT_COST: Cost = Cost {
        memory: 19_456,
        passes: 2,
        lanes: 1,
    };

    /// Hashes a new password, as a PHC string to be kept.
    ///
    /// # Errors
    ///
    /// Refuses one that is too short, too long or blocked, and all while too many are worked on.
    ///
    /// # Cancel safety
    ///
    /// When dropped, the work that has begun is finished in the background and counts as work until then.
    pub async fn hash(&self, password: &str) -> Result<String, PasswordError> {
        if password.chars().count() < self.0.min_chars {
            return Err(PasswordError::TooShort(self.0.min_chars));
        }
        if password.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if self
            .0
            .blocked
            .as_ref()
            .is_some_and(|blocked| blocked(password))
        {
            return Err(PasswordError::Blocked);
        }
        let (inner, password) = (Arc::clone(&self.0), password.to_owned());
        let hashed = self
            .work(move || hash(inner.cost, &inner.memory, password.as_bytes()))
            .await;
        hashed
            .map_err(|_| PasswordError::Overloaded)?
            .ok_or(PasswordError::Failed)
    }

    /// Verifies a password against what is kept of the account's, or against a stand-in if there is no such account.
    ///
    /// Reads PHC strings of argon2id, and what other packages keep, as they keep it:
    ///
    /// | package | without a feature | with `password-legacy` |
    /// |---|---|---|
    /// | Werkzeug, Flask | `pbkdf2:sha256:...` | `scrypt:...` |
    /// | Django | `pbkdf2_sha256$...`, `argon2$argon2id$...` | `scrypt$...`, `bcrypt$...`, `bcrypt_sha256$...` |
    /// | passlib | `$argon2id$...`, `$pbkdf2-sha256$...`, `$pbkdf2-sha512$...` | `$2a$`, `$2b$`, `$2y$`, `$scrypt$...`, `$bcrypt-sha256$v=2,...` |
    /// | bcrypt, argon2-cffi | `$argon2id$...` | `$2a$`, `$2b$`, `$2y$` |
    ///
    /// Others cannot be read, on purpose: SHA-1, MD5, DES, `crypt` (`$1$`, `$5$`, `$6$`), argon2i and argon2d, and passwords in
    /// the open. An account whose hash is of another kind or cost than new ones takes its own time, until its password is
    /// hashed anew.
    ///
    /// A hash that asks for more work than these ceilings counts as one that cannot be read, so that nobody who can write
    /// one takes the service down:
    ///
    /// | kind | ceiling |
    /// |---|---|
    /// | argon2id | 256 MiB (`m=262144`), 16 passes, 16 lanes; a salt of 8 to 64 bytes, a hash of 16 to 64 |
    /// | PBKDF2 | 2,000,000 rounds |
    /// | scrypt | 128 MiB (`n * r * 128` bytes), `r` and `p` up to 16, and 512 MiB of work (`n * r * p * 128`) |
    /// | bcrypt | cost 15, which takes some two seconds |
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongPassword`], also for an account that does not exist and for a hash that cannot be read;
    /// [`Refusal::Overloaded`] while too many are worked on, which is to be answered with 503.
    ///
    /// # Cancel safety
    ///
    /// As for [`hash`](Self::hash).
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Held, Refusal> {
        if password.len() > MAX_BYTES {
            return Err(Refusal::WrongPassword);
        }
        let cost = self.0.cost;
        let parsed = stored.and_then(parse);
        if stored.is_some() && parsed.is_none() {
            tracing::warn!(target: "palisade_auth", "a stored password hash cannot be read; nobody can sign in with it");
        }
        let exists = parsed.is_some();
        let against = parsed.or_else(|| Stored::parse(&self.0.dummy));
        let (inner, password) = (Arc::clone(&self.0), password.to_owned());
        let matches = self
            .work(move || {
                let password = password.as_bytes();
                against.is_some_and(|against| matches(&against, &inner.memory, password))
            })
            .await?;
        if !(matches && exists) {
            return Err(Refusal::WrongPassword);
        }
        let current = matches!(
            stored.and_then(parse),
            Some(Stored::Argon2id { cost: kept, hash, .. })
                if kept.memory >= cost.memory && kept.passes >= cost.passes && hash.len() >= HASH
        );
        Ok(if current { Held::Current } else { Held::Rehash })
    }

    /// Verifies a password at sign-in, and notes the outcome in the request's scope, with the account: for the trail,
    /// and for a limiter on failures.
    ///
    /// # Errors
    ///
    /// As for [`verify`](Self::verify).
    pub async fn sign_in(
        &self,
        scope: &RequestScope,
        account: &str,
        password: &str,
        stored: Option<&str>,
    ) -> Result<Held, Refusal> {
        let result = self.verify(password, stored).await;
        match &result {
            Ok(_) => scope.record(SecurityEvent::new(EventKind::LoginSuccess).subject(account)),
            Err(refusal) => note(scope, *refusal, Some(account)),
        }
        result
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let shed = |_| Refusal::Overloaded;
        let admitted = Arc::clone(&self.0.admitted)
            .try_acquire_owned()
            .map_err(shed)?;
        let working = Arc::clone(&self.0.working).acquire_owned().await;
        let permits: (OwnedSemaphorePermit, OwnedSemaphorePermit) =
            (admitted, working.map_err(|_| Refusal::Overloaded)?);
        let done = tokio::task::spawn_blocking(move || {
            let result = job();
            // Only now is there room for another, also when nobody waits for this one any more.
            drop(permits);
            result
        });
        done.await.map_err(|_| Refusal::Overloaded)
    }
}

fn parse(text: &str) -> Option<Stored> {
    Stored::parse(text).or_else(|| elsewhere::parse(text))
}

fn argon2id(
    cost: Cost,
    memory: &WorkingMemory,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
) -> bool {
    let Ok(params) = argon2::Params::new(cost.memory, cost.passes, cost.lanes, Some(out.len()))
    else {
        return false;
    };
    let blocks = params.block_count();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let hashed = memory.work(blocks, |piece| {
        argon2.hash_password_into_with_memory(password, salt, out, piece)
    });
    hashed.is_some_and(|hashed| hashed.is_ok())
}

fn hash(cost: Cost, memory: &WorkingMemory, password: &[u8]) -> Option<String> {
    let salt = random::bytes::<SALT>().ok()?;
    let mut out = [0; HASH];
    argon2id(cost, memory, password, &salt, &mut out).then(|| phc::text(cost, &salt, &out))
}

/// Whether the password is that of the hash, by the same work whatever the answer.
///
/// One with a NUL in it is that of no hash but argon2id's: bcrypt takes a NUL for the end, and HMAC, by which PBKDF2 and
/// scrypt work, fills a short key up with them (RFC 2104, section 2), so that it would pass for another password.
fn matches(stored: &Stored, memory: &WorkingMemory, password: &[u8]) -> bool {
    let distinct = matches!(stored, Stored::Argon2id { .. }) || !password.contains(&0);
    is_of(stored, memory, password) & distinct
}

fn is_of(stored: &Stored, memory: &WorkingMemory, password: &[u8]) -> bool {
    match stored {
        Stored::Argon2id { cost, salt, hash } => {
            let mut out = vec![0; hash.len()];
            argon2id(*cost, memory, password, salt, &mut out) && same(&out, hash)
        }
        Stored::Pbkdf2Sha256 { rounds, salt, hash } => {
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
            pbkdf2::verify(algorithm, *rounds, salt, password, hash).is_ok()
        }
        Stored::Pbkdf2Sha512 { rounds, salt, hash } => {
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
            pbkdf2::verify(algorithm, *rounds, salt, password, hash).is_ok()
        }
        #[cfg(feature = "password-legacy")]
        Stored::Scrypt {
            log_n,
            r,
            p,
            salt,
            hash,
        } => {
            let mut out = vec![0; hash.len()];
            scrypt::Params::new(*log_n, *r, *p)
                .is_ok_and(|params| scrypt::scrypt(password, salt, &params, &mut out).is_ok())
                && same(&out, hash)
        }
        #[cfg(feature = "password-legacy")]
        Stored::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
        #[cfg(feature = "password-legacy")]
        Stored::Prehashed { by, hash } => {
            bcrypt::verify(prehashed(by, password), hash).unwrap_or(false)
        }
    }
}

#[cfg(feature = "password-legacy")]
fn prehashed(by: &Prehash, password: &[u8]) -> String {
    match by {
        Prehash::Hex => {
            let digest = crate::digest::sha256(password);
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        }
        Prehash::Keyed(salt) => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
            STANDARD.encode(hmac::sign(&key, password))
        }
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |difference, (one, other)| difference | (one ^ other));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords")
            .field("cost", &self.0.cost)
            .finish_non_exhaustive()
    }
}

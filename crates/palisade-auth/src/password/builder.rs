use std::fmt;
use std::sync::Arc;

use palisade_core::{Problems, random};
use tokio::sync::Semaphore;

use super::memory::WorkingMemory;
use super::phc::Cost;
use super::{Blocked, Inner, MAX_BYTES, Passwords, hash};
use crate::AuthError;

/// Collects the settings of [`Passwords`].
#[derive(Clone)]
pub struct PasswordsBuilder {
    cost: Cost,
    min_chars: usize,
    blocked: Option<Arc<Blocked>>,
    workers: usize,
    queue: usize,
}

impl Passwords {
    /// Starts with the defaults.
    #[must_use]
    pub fn builder() -> PasswordsBuilder {
        PasswordsBuilder {
            cost: Self::DEFAULT_COST,
            min_chars: 8,
            blocked: None,
            workers: std::thread::available_parallelism()
                .map_or(1, |cores| cores.get().div_ceil(2)),
            queue: 64,
        }
    }
}

impl PasswordsBuilder {
    /// Sets the work of argon2id: KiB of memory (8,192 to 262,144, default 19,456), passes (1 to 16, default 2) and
    /// lanes (1 to 16, default 1).
    #[must_use]
    pub const fn cost(mut self, memory: u32, passes: u32, lanes: u32) -> Self {
        self.cost = Cost {
            memory,
            passes,
            lanes,
        };
        self
    }

    /// Sets how many characters a new password needs: 8 or more, default 8 (NIST SP 800-63B, section 5.1.1.2). Use 15
    /// where the password is the only factor.
    #[must_use]
    pub const fn min_chars(mut self, chars: usize) -> Self {
        self.min_chars = chars;
        self
    }

    /// Refuses new passwords for which `blocked` says so, such as those on a list of leaked ones.
    #[must_use]
    pub fn blocked(mut self, blocked: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.blocked = Some(Arc::new(blocked));
        self
    }

    /// Sets how many passwords are worked on at once; default half the cores, so that other requests keep the rest. Each
    /// keeps the memory that it once needed, 19 MiB by default, for the next password.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets how many more may wait; default 64, some two seconds' worth. Others are refused at once.
    #[must_use]
    pub const fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// The passwords. Hashes one to stand in for accounts that do not exist, which takes some 20 ms.
    ///
    /// # Errors
    ///
    /// Returns every setting that is out of its range.
    pub fn build(self) -> Result<Passwords, AuthError> {
        let mut problems = Problems::none();
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        if !(8_192..=262_144).contains(&memory) {
            problems.push("memory", "is not 8192 to 262144 KiB");
        }
        if !(1..=16).contains(&passes) || !(1..=16).contains(&lanes) {
            problems.push("passes", "or lanes is not 1 to 16");
        }
        if self.min_chars < 8 || self.min_chars > MAX_BYTES {
            problems.push("min_chars", "is not 8 to 1024");
        }
        if self.workers == 0 || self.workers > 1024 || self.queue > 1_000_000 {
            problems.push("workers", "is not 1 to 1024, or queue is over 1000000");
        }
        problems.into_result(())?;
        let nobody = random::bytes::<32>()?;
        let memory = WorkingMemory::new(self.cost, self.workers);
        let dummy = hash(self.cost, &memory, &nobody).ok_or(AuthError::Issue("argon2 failed"))?;
        Ok(Passwords(Arc::new(Inner {
            cost: self.cost,
            memory,
            min_chars: self.min_chars,
            blocked: self.blocked,
            dummy: dummy.into(),
            admitted: Arc::new(Semaphore::new(self.workers + self.queue)),
            working: Arc::new(Semaphore::new(self.workers)),
        })))
    }
}

impl fmt::Debug for PasswordsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordsBuilder")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

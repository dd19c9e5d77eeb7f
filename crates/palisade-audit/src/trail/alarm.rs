use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use palisade_core::time::{self, Instant};

/// Wakes tasks after real time has passed, on a thread of its own.
///
/// A runtime's timers would not do: the layer runs on any runtime, or on one without timers, and a disk that hangs
/// knows nothing of a runtime's paused clock.
#[derive(Debug, Clone)]
pub(crate) struct Alarm(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Set, but the thread has not read the clock for them yet.
    fresh: Vec<(Duration, Arc<Timer>)>,
    stop: bool,
}

#[derive(Debug, Default)]
struct Timer {
    rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A deadline; it is over when [`poll`](Self::poll) is ready.
#[derive(Debug)]
pub(crate) struct Deadline(Arc<Timer>);

impl Alarm {
    /// # Errors
    ///
    /// Fails when the system gives no thread.
    pub(crate) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("palisade-audit-alarm".into())
            .spawn(move || own.run())?;
        Ok(Self(shared))
    }

    pub(crate) fn after(&self, delay: Duration) -> Deadline {
        let timer = Arc::new(Timer::default());
        let mut state = self.0.state();
        if state.stop {
            // Nobody would ring it: the trail is shut down.
            timer.rung.store(true, Ordering::Release);
        } else {
            state.fresh.push((delay, Arc::clone(&timer)));
        }
        drop(state);
        self.0.wake.notify_one();
        Deadline(timer)
    }

    pub(crate) fn stop(&self) {
        self.0.state().stop = true;
        self.0.wake.notify_one();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut set: Vec<(Instant, Arc<Timer>)> = Vec::new();
        let mut state = self.state();
        loop {
            let now = time::now();
            set.extend(
                state
                    .fresh
                    .drain(..)
                    .map(|(delay, timer)| (now + delay.min(Duration::from_secs(86_400)), timer)),
            );
            let stop = state.stop;
            drop(state);
            set.retain(|(at, timer)| {
                // A timer that only this list knows belongs to a request that is gone.
                let wanted = Arc::strong_count(timer) > 1;
                let due = stop || *at <= now;
                if due {
                    timer.ring();
                }
                wanted && !due
            });
            if stop {
                return;
            }
            let next = set.iter().map(|(at, _)| *at).min();
            state = self.state();
            if !state.fresh.is_empty() || state.stop {
                continue;
            }
            state = match next {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let rest = at.saturating_duration_since(now);
                    let waited = self.wake.wait_timeout(state, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl Timer {
    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        let waker = self.waker().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Deadline {
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        *self.0.waker() = Some(cx.waker().clone());
        if self.0.rung.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The answer to a waiting request: whether its record is on the disk.
#[derive(Debug, Default)]
pub(crate) struct Ack(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: Option<bool>,
    waker: Option<Waker>,
}

impl Ack {
    pub(crate) fn pair() -> (Arc<Self>, Settle) {
        let ack = Arc::new(Self::default());
        (Arc::clone(&ack), Settle(Some(ack)))
    }

    /// Whether the record was kept, once that is known.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        match state.kept {
            Some(kept) => Poll::Ready(kept),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn settle(&self, kept: bool) {
        let mut state = self.state();
        state.kept = Some(kept);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer's side of an [`Ack`]; dropped without a word it says that the record was not kept.
#[derive(Debug)]
pub(crate) struct Settle(Option<Arc<Ack>>);

impl Settle {
    pub(crate) fn kept(mut self) {
        if let Some(ack) = self.0.take() {
            ack.settle(true);
        }
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        if let Some(ack) = self.0.take() {
            ack.settle(false);
        }
    }
}

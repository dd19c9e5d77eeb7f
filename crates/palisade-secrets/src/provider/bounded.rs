use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep};

use super::{AnyProvider, Fetched, Stage};
use crate::ProviderError;

/// Reads a secret within this time. A provider that takes longer, or panics, has failed.
pub(crate) async fn fetch(
    provider: &dyn AnyProvider,
    name: &str,
    stage: Stage,
    time: Duration,
) -> Result<Option<Fetched>, ProviderError> {
    let mut fetch = Box::pin(async { provider.fetch(name, stage).await });
    let mut timeout: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        // It is not polled again after a panic.
        let Ok(polled) = catch_unwind(AssertUnwindSafe(|| fetch.as_mut().poll(cx))) else {
            return Poll::Ready(Err(ProviderError::new("it panicked")));
        };
        if polled.is_ready() {
            return polled;
        }
        if timeout.is_none() && Handle::try_current().is_ok() {
            timeout = Some(Box::pin(sleep(time)));
        }
        let is_over = timeout
            .as_mut()
            .is_some_and(|timeout| timeout.as_mut().poll(cx).is_ready());
        if is_over {
            Poll::Ready(Err(ProviderError::new("it took too long")))
        } else {
            Poll::Pending
        }
    })
    .await
}

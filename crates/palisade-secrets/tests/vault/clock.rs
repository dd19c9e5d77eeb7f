//! The clock of the provider and of its stand-in, which are in one process.

use std::time::Duration;

/// Lets time pass, for the stand-in and for the provider alike, without waiting for it.
pub(crate) async fn pass(time: Duration) {
    // What is under way ends first, or its own limits of time would pass with it. All of it runs on this thread, so that
    // a few rounds in real time are enough, however slow the machine is.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits, in real time, for something that a task brings about.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("in five seconds it did not come about that {what}");
}

//! Errors after which a server has surely not processed the request.

use std::error::Error;
use std::io;

/// Whether no server has processed the request: no connection came about, the request never left the client, or the
/// server said so over HTTP/2 (RFC 9113, section 8.7).
pub(super) fn was_not_processed(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if was_refused(error) || never_arrived(error) {
            return true;
        }
        next = error.source();
    }
    false
}

/// A refused connection carried nothing.
fn was_refused(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[cfg(feature = "hyper")]
fn never_arrived(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
        return error.is_connect();
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // hyper says so of a request that it had not begun to write when its connection closed.
        return error.is_canceled();
    }
    // A GOAWAY is the error of the streams above its last stream alone; those below it end with their connection.
    error.downcast_ref::<h2::Error>().is_some_and(|error| {
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (error.is_go_away() || error.is_reset() && refused)
    })
}

#[cfg(not(feature = "hyper"))]
fn never_arrived(_: &(dyn Error + 'static)) -> bool {
    false
}

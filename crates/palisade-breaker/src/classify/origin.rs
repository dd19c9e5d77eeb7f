//! The origin of an error: the upstream, or the caller.

use std::any::Any;
use std::error::Error;

/// Whether the error says nothing about the upstream: the caller's own body broke off, or the request could not be
/// built.
///
/// Of types that are not known here it is never sure, and so says no: then the error counts against the upstream.
#[cold]
pub(crate) fn is_of_the_caller<E: 'static>(error: &E) -> bool {
    as_error(error).is_some_and(comes_from_the_caller)
}

/// Whether the error, or one that caused it, is the caller's own.
pub(crate) fn comes_from_the_caller(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if is_one_of_the_caller(error) {
            return true;
        }
        next = error.source();
    }
    false
}

/// A classifier asks nothing of errors, so the types that are known to be one are told by name.
fn as_error<E: 'static>(error: &E) -> Option<&(dyn Error + 'static)> {
    let any: &dyn Any = error;
    if let Some(boxed) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return Some(&**boxed);
    }
    if let Some(boxed) = any.downcast_ref::<Box<dyn Error + Send>>() {
        return Some(&**boxed);
    }
    if let Some(boxed) = any.downcast_ref::<Box<dyn Error>>() {
        return Some(&**boxed);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = any.downcast_ref::<hyper_util::client::legacy::Error>() {
        return Some(error);
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = any.downcast_ref::<hyper::Error>() {
        return Some(error);
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = any.downcast_ref::<reqwest::Error>() {
        return Some(error);
    }
    None
}

#[cfg_attr(
    not(feature = "hyper"),
    expect(unused_variables, reason = "no type is known")
)]
fn is_one_of_the_caller(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "reqwest")]
    if let Some(error) = error.downcast_ref::<reqwest::Error>()
        && error.is_builder()
    {
        return true;
    }
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // hyper calls an error of the request's body one of its user.
        return error.is_user();
    }
    // Over HTTP/2 the body's error is told to the upstream as a reset, and comes back as one that nobody else made.
    #[cfg(feature = "hyper")]
    if let Some(error) = error.downcast_ref::<h2::Error>() {
        return error.is_reset() && !error.is_remote() && !error.is_library();
    }
    false
}

#[cfg(all(test, feature = "hyper"))]
mod tests;

use std::fmt;

use super::Classify;
use super::http::verdict_of_error;
use crate::state::grant::Verdict;
use crate::{Outcome, Permit};

/// An `Err` is a failure, and every answer a success: the classifier of [`BreakerLayer::new`](crate::BreakerLayer::new).
///
/// An error of the caller's own is ignored, as [`HttpHealth`](crate::HttpHealth) does.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct ErrorsFail;

impl<Req, Res, Err: 'static> Classify<Req, Res, Err> for ErrorsFail {
    type RequestInfo = ();
    type Output = Res;

    #[inline]
    fn inspect(&self, _: &Req) {}

    #[inline]
    fn settle(&self, (): (), result: Result<Res, Err>, mut permit: Permit) -> Result<Res, Err> {
        <Self as Classify<Req, Res, Err>>::settle_in_place(self, (), result, &mut permit)
    }

    #[inline(always)]
    fn settle_in_place(
        &self,
        (): (),
        result: Result<Res, Err>,
        permit: &mut Permit,
    ) -> Result<Res, Err> {
        permit.end(match &result {
            Ok(_) => Verdict::Success,
            Err(error) => verdict_of_error(error),
        });
        result
    }
}

/// The classifier made by [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFn<F>(F);

/// Makes a classifier of a closure over the result.
///
/// # Example
///
/// ```
/// use http::Response;
/// use palisade_breaker::{BreakerLayer, Outcome, from_fn};
///
/// let layer = BreakerLayer::new("search").classify(from_fn(
///     |result: Result<&Response<String>, &std::io::Error>| match result {
///         Ok(response) if response.status().is_server_error() => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///         Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Outcome::Ignored,
///         Err(_) => Outcome::Failure,
///     },
/// ));
/// # let _ = layer;
/// ```
pub const fn from_fn<F, Res, Err>(judge: F) -> FromFn<F>
where
    F: Fn(Result<&Res, &Err>) -> Outcome,
{
    FromFn(judge)
}

impl<F, Req, Res, Err> Classify<Req, Res, Err> for FromFn<F>
where
    F: Fn(Result<&Res, &Err>) -> Outcome,
{
    type RequestInfo = ();
    type Output = Res;

    #[inline]
    fn inspect(&self, _: &Req) {}

    #[inline]
    fn settle(&self, (): (), result: Result<Res, Err>, mut permit: Permit) -> Result<Res, Err> {
        <Self as Classify<Req, Res, Err>>::settle_in_place(self, (), result, &mut permit)
    }

    #[inline(always)]
    fn settle_in_place(
        &self,
        (): (),
        result: Result<Res, Err>,
        permit: &mut Permit,
    ) -> Result<Res, Err> {
        permit.end((self.0)(result.as_ref()).verdict(None));
        result
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FromFn")
    }
}

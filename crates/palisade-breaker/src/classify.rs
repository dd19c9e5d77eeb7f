mod func;
mod grpc;
mod http;
mod origin;
#[cfg(feature = "reqwest")]
mod reqwest;
mod stream;
#[cfg(feature = "tower-http")]
mod tower_http;

pub use self::func::{ErrorsFail, FromFn, from_fn};
pub use self::grpc::GrpcHealth;
pub(crate) use self::grpc::GrpcWatch;
pub use self::http::HttpHealth;
#[cfg(feature = "retry")]
pub(crate) use self::origin::comes_from_the_caller;
pub(crate) use self::origin::is_of_the_caller;
use self::stream::Streaming;
#[cfg(feature = "tower-http")]
pub(crate) use self::tower_http::EosWatch;
#[cfg(feature = "tower-http")]
pub use self::tower_http::TowerHttp;
use crate::Permit;

/// Judges how a call went, and settles its permit: at once, or when the body of its response has ended.
///
/// A closure over the result becomes one by [`from_fn`]. A classifier is cloned for every call, so keep that cheap.
///
/// # Example
///
/// A service whose answer is a number, and which is not well when it is negative:
///
/// ```
/// use palisade_breaker::{BreakerLayer, Classify, Permit};
///
/// #[derive(Clone)]
/// struct Positive;
///
/// impl<Req, Err> Classify<Req, i32, Err> for Positive {
///     type RequestInfo = ();
///     type Output = i32;
///
///     fn inspect(&self, _: &Req) {}
///
///     fn settle(&self, (): (), result: Result<i32, Err>, permit: Permit) -> Result<i32, Err> {
///         match &result {
///             Ok(0..) => permit.success(),
///             Ok(_) | Err(_) => permit.failure(),
///         }
///         result
///     }
/// }
///
/// let layer = BreakerLayer::new("sensor").classify(Positive);
/// # let _ = layer;
/// ```
pub trait Classify<Req, Res, Err> {
    /// The part of the request that is kept until its call has ended.
    type RequestInfo;
    /// The response, or one whose body is watched to its end.
    type Output;

    /// Looks at the request before it is sent.
    fn inspect(&self, request: &Req) -> Self::RequestInfo;

    /// Settles the permit, or puts it where it will be settled.
    ///
    /// # Errors
    ///
    /// Passes on the error of the call.
    fn settle(
        &self,
        info: Self::RequestInfo,
        result: Result<Res, Err>,
        permit: Permit,
    ) -> Result<Self::Output, Err>;

    /// Settles a permit that stays in its future, which spares a classifier that settles at once a move.
    ///
    /// Leaves a permit that has nothing more to settle.
    #[doc(hidden)]
    #[inline]
    fn settle_in_place(
        &self,
        info: Self::RequestInfo,
        result: Result<Res, Err>,
        permit: &mut Permit,
    ) -> Result<Self::Output, Err> {
        self.settle(info, result, permit.take())
    }
}

use std::convert::Infallible;

/// Takes a ready service out of its place, so that it can wait together with its request.
///
/// A [`Wait`](super::Wait) implements it for services that can be cloned: the ready one is taken, and a clone left in
/// its place, as tower asks for. Filters that never wait put no bound on the service.
pub trait Park<S> {
    /// Takes the ready service.
    fn park(&self, service: &mut S) -> S;
}

impl<S> Park<S> for Infallible {
    fn park(&self, _: &mut S) -> S {
        match *self {}
    }
}

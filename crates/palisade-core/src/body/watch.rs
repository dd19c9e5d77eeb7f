use bytes::Bytes;
use http::HeaderMap;

/// An observer of a response's body, which sees it pass and changes nothing.
///
/// Dropped before [`on_end`](Self::on_end), it observed a body that was not read to its end.
pub trait Watch: Default {
    /// Whether there is anything to tell; `false` takes the calls out of the way.
    const WATCHES: bool = true;

    /// Whether it observes nothing, so that the body may go without it; default: whenever there is nothing to tell.
    fn is_idle(&self) -> bool {
        !Self::WATCHES
    }

    /// Notes that the body's own code begins to run, or has run: a drop in between comes from a panic.
    fn set_running(&mut self, running: bool) {
        let _ = running;
    }

    /// Notes bytes that go out.
    fn on_data(&mut self, data: &Bytes) {
        let _ = data;
    }

    /// Notes trailers that go out.
    fn on_trailers(&mut self, trailers: &HeaderMap) {
        let _ = trailers;
    }

    /// Notes the end of the body. It may be called again, and then means nothing.
    fn on_end(&mut self, end: BodyEnd) {
        let _ = end;
    }
}

/// The way in which a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyEnd {
    /// All of it was handed over.
    Complete,
    /// It failed.
    Error,
}

impl Watch for () {
    const WATCHES: bool = false;
}

impl<A: Watch, B: Watch> Watch for (A, B) {
    const WATCHES: bool = A::WATCHES || B::WATCHES;

    #[inline]
    fn is_idle(&self) -> bool {
        self.0.is_idle() && self.1.is_idle()
    }

    #[inline]
    fn set_running(&mut self, running: bool) {
        self.1.set_running(running);
        self.0.set_running(running);
    }

    #[inline]
    fn on_data(&mut self, data: &Bytes) {
        self.1.on_data(data);
        self.0.on_data(data);
    }

    #[inline]
    fn on_trailers(&mut self, trailers: &HeaderMap) {
        self.1.on_trailers(trailers);
        self.0.on_trailers(trailers);
    }

    #[inline]
    fn on_end(&mut self, end: BodyEnd) {
        self.1.on_end(end);
        self.0.on_end(end);
    }
}

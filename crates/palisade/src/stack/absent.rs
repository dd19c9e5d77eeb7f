/// The layer of a station whose feature is off: no layer at all.
#[derive(Debug, Clone)]
pub struct Absent;

impl Absent {
    pub(super) const fn off() -> Self {
        Self
    }

    pub(super) const fn leak(self) -> Self {
        self
    }
}

impl<S> tower_layer::Layer<S> for Absent {
    type Service = S;

    fn layer(&self, inner: S) -> S {
        inner
    }
}

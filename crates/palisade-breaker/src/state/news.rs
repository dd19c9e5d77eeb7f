use super::grant::Happening;

/// What happened and is not told yet.
///
/// One at a time tells it, without the lock, and whatever comes meanwhile after it: so everybody hears of it in the order
/// in which it happened.
#[derive(Debug, Default)]
pub(crate) struct News {
    waiting: Vec<Happening>,
    is_being_told: bool,
}

impl News {
    pub(super) fn push(&mut self, happening: Happening) {
        self.waiting.push(happening);
    }

    /// What the caller is to tell: nothing where there is nothing, or another one tells it.
    pub(super) fn begin(&mut self) -> Vec<Happening> {
        if self.is_being_told {
            return Vec::new();
        }
        self.is_being_told = !self.waiting.is_empty();
        std::mem::take(&mut self.waiting)
    }

    /// What the one who tells is to tell next. With nothing its turn is over.
    pub(super) fn go_on(&mut self) -> Vec<Happening> {
        self.is_being_told = !self.waiting.is_empty();
        std::mem::take(&mut self.waiting)
    }
}

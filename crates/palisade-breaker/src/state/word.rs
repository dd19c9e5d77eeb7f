use super::State;

/// The machine's state in one word, which is read without a lock.
///
/// From the low bits up: 3 of the code, 13 of trials in flight, 16 of failures in a row (which stop at the most), 32 of the
/// epoch. It is written under the machine's lock alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

/// The state, with the ramp after closing told apart, because a ramp asks every call to queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Closed = 0,
    Ramp = 1,
    Open = 2,
    HalfOpen = 3,
    ForcedOpen = 4,
    Disabled = 5,
    MetricsOnly = 6,
}

impl Word {
    pub(crate) fn new(code: Code, trials: u32, failures: u32, epoch: u32) -> Self {
        let trials = u64::from(trials) & 0x1fff;
        let failures = u64::from(failures.min(0xffff));
        let epoch = u64::from(epoch);
        Self(code as u64 | trials << 3 | failures << 16 | epoch << 32)
    }

    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn code(self) -> Code {
        match self.0 & 0b111 {
            0 => Code::Closed,
            1 => Code::Ramp,
            2 => Code::Open,
            3 => Code::HalfOpen,
            4 => Code::ForcedOpen,
            5 => Code::Disabled,
            _ => Code::MetricsOnly,
        }
    }

    #[inline]
    pub(crate) const fn epoch(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(crate) const fn trials(self) -> u32 {
        (self.0 >> 3) as u32 & 0x1fff
    }

    #[inline]
    pub(crate) const fn failures(self) -> u32 {
        (self.0 >> 16) as u32 & 0xffff
    }
}

impl Code {
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Closed | Self::Ramp => State::Closed,
            Self::Open => State::Open,
            Self::HalfOpen => State::HalfOpen,
            Self::ForcedOpen => State::ForcedOpen,
            Self::Disabled => State::Disabled,
            Self::MetricsOnly => State::MetricsOnly,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_keeps_its_parts_apart() {
        for trials in [0, 1, 2, 0x1ffe, 0x1fff] {
            for (failures, kept) in [(0, 0), (1, 1), (2, 2), (0xffff, 0xffff), (0x1_0000, 0xffff)] {
                for epoch in [0, 1, 2, u32::MAX] {
                    let word = Word::new(Code::HalfOpen, trials, failures, epoch);
                    let word = Word::from_bits(word.bits());
                    assert_eq!(word.code(), Code::HalfOpen);
                    let parts = (word.trials(), word.failures(), word.epoch());
                    assert_eq!(parts, (trials, kept, epoch));
                }
            }
        }
    }
}

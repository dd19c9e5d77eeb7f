//! Helpers of the unit tests.

/// Random numbers that can be had again by their seed: SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct TestRng(u64);

impl TestRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, or 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

/// So many steps in a full run (`PALISADE_FULL=1`), a tenth otherwise.
pub(crate) fn steps(full: u64) -> u64 {
    if std::env::var_os("PALISADE_FULL").is_some() {
        full
    } else {
        full / 10
    }
}

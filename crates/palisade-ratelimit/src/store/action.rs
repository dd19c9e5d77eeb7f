/// An operation on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take the cost, or more if there is as much.
    Charge {
        want: u64,
    },
    Peek,
    /// Give back what was charged at that time, in microseconds of Redis.
    Refund {
        charged_at: u64,
    },
}

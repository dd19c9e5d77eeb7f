/// An operation on a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Take the cost, or more if there is as much, and tell of each limit or of the closest alone.
    Charge {
        want: u64,
        each: bool,
    },
    Peek,
    /// Give back what was charged at that time, in microseconds of Redis.
    Refund {
        charged_at: u64,
    },
}

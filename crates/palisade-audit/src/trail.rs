//! From the queue to the disk: what knows nothing of HTTP.

pub(crate) mod ack;
pub(crate) mod alarm;
pub(crate) mod batch;
pub(crate) mod output;
pub(crate) mod places;
pub(crate) mod queue;
pub(crate) mod recover;
pub(crate) mod seal;
pub(crate) mod stream;
pub(crate) mod tail;
pub(crate) mod verify;
pub(crate) mod writer;

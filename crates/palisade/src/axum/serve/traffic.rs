use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The traffic of one connection, which its requests and its stream note and its [`Watch`](super::watch::Watch) reads.
///
/// No clock is read and no order is needed: a check that sees one of two related numbers late finds the other at the next.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    read: AtomicU64,
    written: AtomicU64,
    /// Requests so far.
    begun: AtomicU32,
    /// Requests whose responses have not been handed over.
    under_way: AtomicU32,
    /// Responses of which a part was handed over and the next has not been asked for: the client takes its time.
    offered: AtomicU32,
    /// Bytes that were read when the last request ended.
    read_by_last: AtomicU64,
    is_http2: AtomicBool,
    /// Whether the stream took no more the last time, also of a response that was handed over to its end.
    is_stuck: AtomicBool,
}

/// The numbers of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) begun: u32,
    pub(super) under_way: u32,
    /// Whether the client has not taken all that there is for it.
    pub(super) is_sending: bool,
    pub(super) written: u64,
    /// Whether bytes came since the last request ended that may be the begin of a head.
    pub(super) has_begun_head: bool,
}

impl Traffic {
    pub(super) fn add_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.is_stuck.store(false, Ordering::Relaxed);
    }

    pub(super) fn set_stuck(&self) {
        self.is_stuck.store(true, Ordering::Relaxed);
    }

    pub(super) fn reading(&self) -> Reading {
        let idle_bytes =
            self.read.load(Ordering::Relaxed) != self.read_by_last.load(Ordering::Relaxed);
        Reading {
            begun: self.begun.load(Ordering::Relaxed),
            under_way: self.under_way.load(Ordering::Relaxed),
            is_sending: self.offered.load(Ordering::Relaxed) > 0
                || self.is_stuck.load(Ordering::Relaxed),
            written: self.written.load(Ordering::Relaxed),
            // Over HTTP/2 they may as well be a ping or more window.
            has_begun_head: idle_bytes && !self.is_http2.load(Ordering::Relaxed),
        }
    }
}

/// One request and its response, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    traffic: Arc<Traffic>,
    is_offered: bool,
}

impl Counted {
    pub(super) fn begin(traffic: &Arc<Traffic>, version: http::Version) -> Self {
        traffic.begun.fetch_add(1, Ordering::Relaxed);
        traffic.under_way.fetch_add(1, Ordering::Relaxed);
        if version == http::Version::HTTP_2 {
            traffic.is_http2.store(true, Ordering::Relaxed);
        }
        Self {
            traffic: Arc::clone(traffic),
            is_offered: false,
        }
    }

    /// A part of the response was handed over.
    pub(super) fn offer(&mut self) {
        if !self.is_offered {
            self.is_offered = true;
            self.traffic.offered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next part was asked for.
    pub(super) fn taken(&mut self) {
        if self.is_offered {
            self.is_offered = false;
            self.traffic.offered.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.taken();
        let read = self.traffic.read.load(Ordering::Relaxed);
        self.traffic.read_by_last.store(read, Ordering::Relaxed);
        self.traffic.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Records of a trail about itself.

use palisade_core::time::Instant;
use palisade_core::{Severity, time};

use super::Writer;
use crate::format::view::View;
use crate::trail::output::Command;
use crate::trail::seal::Chain;
use crate::{Class, Record};

impl Writer {
    /// A record of the trail about itself.
    pub(super) fn control(&mut self, record: &Record, signed_at: Option<Instant>) {
        self.write_line(&View::of_record(self.work.now, record), signed_at);
    }

    pub(super) fn begin_file(&mut self) {
        let mut record = Record::with("audit_file_begin", Class::Operations, Severity::Info)
            .detail("version", env!("CARGO_PKG_VERSION"));
        if let Some(key) = self.streams[0].chain.as_ref().and_then(Chain::public_key) {
            let mut text = Vec::new();
            crate::format::json::hex(&mut text, &key);
            record = record.detail("public", String::from_utf8_lossy(&text).into_owned());
        }
        self.control(&record, None);
    }

    pub(super) fn end_file(&mut self) {
        let record = Record::with("audit_file_end", Class::Operations, Severity::Info);
        self.control(&record, Some(time::now()));
        self.flush();
    }

    pub(super) fn record_recovery(&mut self) {
        if !self.resume.clean {
            let record = Record::with("audit_recovered", Class::Operations, Severity::Warn)
                .reason(if self.resume.torn > 0 {
                    "torn_line"
                } else {
                    "no_end"
                })
                .detail("torn_bytes", self.resume.torn)
                .detail("last_seq", self.resume.seq);
            // What the last writer had no time to sign is signed at once.
            self.control(&record, Some(time::now()));
        }
    }

    pub(super) fn checkpoint_when_due(&mut self) {
        if self.work.beside {
            return;
        }
        let Some(chain) = &mut self.streams[0].chain else {
            return;
        };
        let now = self.work.clock.unwrap_or_else(time::now);
        if chain.is_due(now) {
            let record = Record::with("audit_checkpoint", Class::Operations, Severity::Info);
            self.control(&record, Some(now));
        }
    }

    /// Writes which numbers are missing, because the lines that had them could not be written.
    pub(super) fn record_unwritten(&mut self) {
        self.work.missed = false;
        let class = Class::Operations;
        let lost = self.queue.lost_of(class);
        let fresh = lost - self.work.recorded_losses[class as usize];
        self.work.recorded_losses[class as usize] = lost;
        let record = gap()
            .reason("not_written")
            .detail("of_class", class.as_str())
            .detail("lost", fresh)
            .detail("lost_in_all", lost)
            .detail("first_seq", self.work.handed.seq + 1)
            .detail("last_seq", self.work.seq);
        self.control(&record, None);
    }

    /// Writes how many records were lost since this was written last.
    pub(super) fn record_losses(&mut self) {
        let unwritten = self.queue.lost_of(Class::Operations);
        if self.work.missed && unwritten > self.work.recorded_losses[Class::Operations as usize] {
            // These have a line of their own, with their numbers.
            self.record_unwritten();
        }
        for class in Class::ALL {
            let lost = self.queue.lost_of(class);
            let fresh = lost - self.work.recorded_losses[class as usize];
            if fresh > 0 {
                self.work.recorded_losses[class as usize] = lost;
                let record = gap()
                    .reason("not_kept")
                    .detail("of_class", class.as_str())
                    .detail("lost", fresh)
                    .detail("lost_in_all", lost);
                self.control(&record, None);
            }
        }
        for nth in 0..self.others.len() {
            let lost = self.others[nth].newly_lost();
            if lost > 0 {
                let record = gap()
                    .reason("sink_failed")
                    .detail("sink", self.others[nth].name())
                    .detail("lost", lost)
                    .detail("lost_in_all", self.others[nth].lost());
                self.control(&record, None);
            }
        }
    }

    /// Begins the file anew where somebody else renamed or removed it, and says so, as of one that was truncated.
    pub(super) fn notice_file(&mut self) {
        if self.work.due.is_none() || self.work.busy {
            self.hear();
        } else {
            self.ask(Command::Look);
        }
        let found = std::mem::take(&mut self.work.interference);
        if found.vanished > 0 {
            self.queue.count_vanished(found.vanished);
        }
        if found.replaced {
            let record = Record::with("audit_file_replaced", Class::Operations, Severity::Critical);
            self.control(&record, None);
        }
        if found.truncated > 0 {
            let record = gap()
                .reason("file_truncated")
                .detail("bytes", found.truncated);
            self.control(&record, None);
        }
    }
}

/// A record that says that others are missing.
const fn gap() -> Record {
    Record::with("audit_gap", Class::Operations, Severity::Critical)
}

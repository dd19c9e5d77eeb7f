//! Recovery after an interrupted writer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use palisade_core::time::UnixTime;
use serde_json::value::RawValue;

use super::seal::{self, Hash};

/// Read this much at once, from the end.
const BLOCK: usize = 64 * 1_024;

/// The largest number of a record: the largest integer that every reader of JSON takes (RFC 8259, section 6). A trail with
/// a million records a second gets there in 285 years.
const LARGEST_SEQ: u64 = (1 << 53) - 1;

/// The point at which a trail is resumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Resume {
    /// The number of the last record; 0 when there is none.
    pub(crate) seq: u64,
    /// The hash of the last line; all zero when there is none.
    pub(crate) head: Hash,
    /// The end of the last whole line.
    pub(crate) end: u64,
    /// Bytes behind it, which a crash tore off.
    pub(crate) torn: u64,
    /// Whether the last writer ended in order.
    pub(crate) clean: bool,
}

impl Resume {
    /// The beginning of a trail.
    pub(crate) fn new() -> Self {
        Self {
            clean: true,
            ..Self::default()
        }
    }
}

/// Looks for the last whole record of a file.
pub(crate) fn scan(file: &mut File) -> io::Result<Resume> {
    let len = file.seek(SeekFrom::End(0))?;
    let mut tail = Vec::new();
    let mut start = len;
    while start > 0 {
        let block = start.min(BLOCK as u64);
        start -= block;
        let mut bytes = vec![0; usize::try_from(block).unwrap_or(BLOCK)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut bytes)?;
        bytes.extend_from_slice(&tail);
        tail = bytes;
        if let Some(found) = last_record(&tail, start == 0) {
            let end = start + found.1 as u64;
            return Ok(Resume {
                end,
                torn: len - end,
                ..found.0
            });
        }
    }
    Ok(Resume {
        torn: len,
        clean: len == 0,
        ..Resume::default()
    })
}

/// The time of the first record of a file, in whichever format; `None` where there is none that can be read.
pub(crate) fn began(file: &mut File) -> io::Result<Option<UnixTime>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    Read::by_ref(file)
        .take(BLOCK as u64)
        .read_to_end(&mut head)?;
    let end = head.iter().position(|byte| *byte == b'\n');
    Ok(end.and_then(|end| time_of(&head[..end])))
}

/// The time of a record.
fn time_of(line: &[u8]) -> Option<UnixTime> {
    let record = Members::of(line)?;
    let text = record
        .text("timestamp")
        .or_else(|| record.text("@timestamp"));
    if let Some(text) = text {
        return of_rfc3339(&text);
    }
    let millis = record.number("time")?;
    Some(UnixTime::from_duration(Duration::from_millis(millis)))
}

/// Reads what the trail itself writes: `1985-04-12T23:20:50.520Z`.
fn of_rfc3339(text: &str) -> Option<UnixTime> {
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // Years begin in March here, so that the leap day is the last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leaps + (153 * month + 2) / 5 + day - 1;
    // Days from 1 March of the year 0 to 1 January 1970.
    let days = days.checked_sub(719_468)?;
    Some(UnixTime::from_secs(
        days * 86_400 + hour * 3_600 + minute * 60 + second,
    ))
}

/// The last whole record in `tail`, and where it ends. The first line may lack its beginning unless `whole` is set.
fn last_record(tail: &[u8], whole: bool) -> Option<(Resume, usize)> {
    let mut end = tail.iter().rposition(|byte| *byte == b'\n')?;
    loop {
        let start = tail[..end].iter().rposition(|byte| *byte == b'\n');
        if start.is_none() && !whole {
            return None;
        }
        let line = &tail[start.map_or(0, |at| at + 1)..end];
        if let Some((seq, is_end)) = record_of(line) {
            let resume = Resume {
                seq,
                head: seal::hash(line),
                end: 0,
                torn: 0,
                clean: is_end && end + 1 == tail.len(),
            };
            return Some((resume, end + 1));
        }
        end = start?;
    }
}

/// The number of a record, if the line is a whole one, and whether it is the end of a file.
fn record_of(line: &[u8]) -> Option<(u64, bool)> {
    // A file system may leave blocks of zeros behind a crash; they are no JSON.
    let record = Members::of(line)?;
    let seq = record.seq().filter(|seq| *seq <= LARGEST_SEQ)?;
    Some((seq, record.event().as_deref() == Some("audit_file_end")))
}

/// The members of an object, each as it stands.
///
/// A client chooses much of what is deeper inside: names there count for nothing, and values need not be such as can be
/// read, as a number beyond the range of every type.
struct Members<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Members<'a> {
    fn of(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    fn object(&self, name: &str) -> Option<Self> {
        Self::of(self.0.get(name)?.get().as_bytes())
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// The number of a record: native, ECS or OCSF.
    fn seq(&self) -> Option<u64> {
        self.number("seq")
            .or_else(|| self.object("event")?.number("sequence"))
            .or_else(|| self.object("metadata")?.number("sequence"))
    }

    /// The name of a record's event, likewise.
    fn event(&self) -> Option<String> {
        self.text("event")
            .or_else(|| self.object("event")?.text("action"))
            .or_else(|| self.object("metadata")?.text("event_code"))
    }
}

#[cfg(test)]
mod tests;

//! Recovery after an interrupted writer.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::Duration;

use palisade_core::time::UnixTime;

use super::seal::{self, Hash, SEAL};

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

/// The time of a record: native, ECS and OCSF, in this order.
fn time_of(line: &[u8]) -> Option<UnixTime> {
    let record: serde_json::Value = serde_json::from_slice(line).ok()?;
    let text = record.get("timestamp").or(record.get("@timestamp"));
    if let Some(text) = text {
        return of_rfc3339(text.as_str()?);
    }
    let millis = record.get("time")?.as_u64()?;
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
pub(crate) fn last_record(tail: &[u8], whole: bool) -> Option<(Resume, usize)> {
    let mut end = tail.iter().rposition(|byte| *byte == b'\n')?;
    loop {
        let start = tail[..end].iter().rposition(|byte| *byte == b'\n');
        if start.is_none() && !whole {
            return None;
        }
        let line = &tail[start.map_or(0, |at| at + 1)..end];
        if let Some(seq) = seq_of(line) {
            let resume = Resume {
                seq,
                head: seal::hash(line),
                end: 0,
                torn: 0,
                clean: is_end(line) && end + 1 == tail.len(),
            };
            return Some((resume, end + 1));
        }
        end = start?;
    }
}

/// The number of a record, if the line is a whole one.
pub(crate) fn seq_of(line: &[u8]) -> Option<u64> {
    // A file system may leave blocks of zeros behind a crash; they are no JSON.
    serde_json::from_slice::<serde_json::Value>(line).ok()?;
    let digits = match find_last(line, SEAL) {
        Some(at) => &line[at + SEAL.len()..],
        None => {
            // Native, and what the other formats call it.
            let after = |key: &[u8]| {
                let at = line.windows(key.len()).position(|part| part == key)?;
                line.get(at + key.len()..)
            };
            after(b"\"seq\":").or_else(|| after(b"\"sequence\":"))?
        }
    };
    let len = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let seq = std::str::from_utf8(&digits[..len]).ok()?.parse().ok()?;
    (seq <= LARGEST_SEQ).then_some(seq)
}

fn is_end(line: &[u8]) -> bool {
    const END: &[u8] = b"\"audit_file_end\"";
    line.windows(END.len()).any(|part| part == END)
}

/// Returns the last place of `part` in a line.
fn find_last(line: &[u8], part: &[u8]) -> Option<usize> {
    line.windows(part.len()).rposition(|found| found == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64) -> String {
        format!("{{\"timestamp\":\"t\",\"seq\":{seq},\"event\":\"x\"}}\n")
    }

    fn scanned(bytes: &[u8]) -> Resume {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, bytes).unwrap();
        scan(&mut file).unwrap()
    }

    #[test]
    fn the_time_of_a_record_is_read_in_every_format() {
        // RFC 3339, section 5.8: 1985-04-12T23:20:50.52Z; the seconds are `date -u -d ... +%s`.
        for (line, seconds) in [
            (
                r#"{"timestamp":"1985-04-12T23:20:50.520Z","seq":1}"#,
                482_196_050,
            ),
            (
                r#"{"@timestamp":"2024-02-29T00:00:00.000Z"}"#,
                1_709_164_800,
            ),
            (r#"{"time":951782400123,"class_uid":6003}"#, 951_782_400),
            (r#"{"timestamp":"1970-01-01T00:00:00.000Z"}"#, 0),
        ] {
            assert_eq!(
                time_of(line.as_bytes()).unwrap().as_secs(),
                seconds,
                "{line}"
            );
        }
        for line in [
            "",
            "{}",
            r#"{"timestamp":7}"#,
            r#"{"timestamp":"1900-01-01T00:00:00"}"#,
        ] {
            assert_eq!(time_of(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn an_empty_file_begins_at_zero() {
        let resume = scanned(b"");
        assert_eq!((resume.seq, resume.torn, resume.clean), (0, 0, true));
    }

    #[test]
    fn the_last_whole_line_counts_and_what_is_behind_it_is_torn() {
        let whole = line(1) + &line(2);
        for torn in [
            "",
            "{",
            "{\"timestamp\":\"t\",\"seq\":3",
            "\0\0\0\0",
            "\0\0\n\0",
            "{\"seq\":9}",
        ] {
            let resume = scanned((whole.clone() + torn).as_bytes());
            assert_eq!(resume.seq, 2, "{torn:?}");
            assert_eq!(
                (resume.end, resume.torn),
                (whole.len() as u64, torn.len() as u64),
                "{torn:?}"
            );
            assert_eq!(resume.head, seal::hash(line(2).trim_end().as_bytes()));
        }
    }

    #[test]
    fn a_number_that_no_trail_reaches_is_no_record() {
        let largest = 9_007_199_254_740_991;
        assert_eq!(scanned(line(largest).as_bytes()).seq, largest);
        for forged in [largest + 1, u64::MAX] {
            let resume = scanned((line(3) + &line(forged)).as_bytes());
            assert_eq!(resume.seq, 3, "{forged}");
        }
    }

    #[test]
    fn nothing_but_a_torn_line_is_all_torn() {
        let resume = scanned(b"{\"seq\":1");
        assert_eq!((resume.seq, resume.end, resume.torn), (0, 0, 8));
    }

    #[test]
    fn lines_longer_than_a_block_are_found() {
        let long = format!("{{\"seq\":7,\"path\":\"{}\"}}\n", "x".repeat(3 * BLOCK));
        let resume = scanned((line(6) + &long + "torn").as_bytes());
        assert_eq!((resume.seq, resume.torn), (7, 4));
    }

    #[test]
    fn any_bytes_behind_whole_lines_leave_the_last_of_them() {
        use proptest::prelude::*;
        proptest!(|(count in 1_u64..20, torn in proptest::collection::vec(any::<u8>(), 0..200))| {
            let whole: String = (1..=count).map(line).collect();
            let mut bytes = whole.into_bytes();
            bytes.extend_from_slice(&torn);
            let resume = scanned(&bytes);
            prop_assert_eq!(resume.seq, count);
            prop_assert_eq!(resume.end + resume.torn, bytes.len() as u64);
        });
    }
}

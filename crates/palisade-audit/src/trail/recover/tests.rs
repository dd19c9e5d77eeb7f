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

/// Records with the number 7, and a file's end with the number 7, in each format.
const SEVENTH: [(&str, &str); 3] = [
    (
        r#"{"timestamp":"t","seq":7,"event":"x""#,
        r#"{"timestamp":"t","seq":7,"event":"audit_file_end""#,
    ),
    (
        r#"{"@timestamp":"t","event":{"action":"x","sequence":7}"#,
        r#"{"@timestamp":"t","event":{"action":"audit_file_end","sequence":7}"#,
    ),
    (
        r#"{"time":1,"metadata":{"event_code":"x","sequence":7}"#,
        r#"{"time":1,"metadata":{"event_code":"audit_file_end","sequence":7}"#,
    ),
];

#[test]
fn a_client_chooses_neither_the_number_of_a_record_nor_that_it_is_the_end() {
    for (record, end) in SEVENTH {
        for sent in [
            "",
            r#","details":{"seq":9}"#,
            r#","palisade":{"details":{"seq":9,"sequence":9}}"#,
            r#","request_body":{"seal":{"seq":9}}"#,
            r#","unmapped":{"request_body":{"event":{"sequence":9},"metadata":{"sequence":9}}}"#,
            r#","request_id":"audit_file_end""#,
            r#","details":{"event":"audit_file_end"}"#,
            r#","request_body":{"event":{"action":"audit_file_end"}}"#,
        ] {
            let resume = scanned(format!("{record}{sent}}}\n").as_bytes());
            assert_eq!((resume.seq, resume.clean), (7, false), "{record}{sent}");
            let resume = scanned(format!("{end}{sent}}}\n").as_bytes());
            assert_eq!((resume.seq, resume.clean), (7, true), "{end}{sent}");
        }
    }
}

#[test]
fn a_sealed_record_has_its_number_in_every_format() {
    let seal = r#","seal":{"seq":7,"boot":"00","prev":"00"}"#;
    for (record, _) in SEVENTH {
        assert_eq!(scanned(format!("{record}{seal}}}\n").as_bytes()).seq, 7);
    }
}

#[test]
fn whatever_json_a_client_sent_its_record_is_whole() {
    // RFC 8259, section 6: no limit to numbers; section 9: none to nesting.
    let deep = "[".repeat(1_000) + &"]".repeat(1_000);
    for sent in [
        "1e400",
        "-1E+999",
        r#""\ud800""#,
        &deep,
        "123456789012345678901234567890",
    ] {
        let last = format!("{{\"timestamp\":\"t\",\"seq\":2,\"request_body\":{{\"x\":{sent}}}}}\n");
        let resume = scanned((line(1) + &last).as_bytes());
        assert_eq!((resume.seq, resume.torn), (2, 0), "{sent}");
    }
}

#[test]
fn a_trail_ended_in_order_where_nothing_follows_the_end_of_its_file() {
    let end = r#"{"timestamp":"t","seq":2,"event":"audit_file_end"}"#;
    for (last, clean) in [
        (format!("{end}\n"), true),
        (format!("{end}\n{{"), false),
        (format!("{end}\n\n"), false),
        (format!("{end}\n{}", line(3)), false),
        (line(2), false),
        (format!("{}{end}", line(2)), false),
    ] {
        assert_eq!(scanned((line(1) + &last).as_bytes()).clean, clean, "{last}");
    }
}

#[test]
fn a_file_began_with_its_first_record() {
    let began_at = |text: &str| {
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        began(&mut file).unwrap().map(UnixTime::as_secs)
    };
    let first = r#"{"timestamp":"1970-01-02T00:00:00.000Z","seq":1}"#;
    let second = r#"{"timestamp":"1970-01-03T00:00:00.000Z","seq":2}"#;
    assert_eq!(began_at(&format!("{first}\n")), Some(86_400));
    assert_eq!(began_at(&format!("{first}\n{second}\n")), Some(86_400));
    // Nothing, no whole line, and a first line that is no record.
    for text in [
        String::new(),
        first.into(),
        format!("\n{first}\n"),
        format!("{{\n{first}\n"),
    ] {
        assert_eq!(began_at(&text), None, "{text:?}");
    }
}

#[test]
fn every_day_of_the_calendar_is_read() {
    // Leap years are those that 4 divides, but of those that 100 divides only every fourth.
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut days = 0;
    for year in 1970..2110 {
        let february = if is_leap(year) { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in (1..).zip(months) {
            for day in 1..=length {
                let (hour, minute, second) = (days % 24, days % 60, days * 7 % 60);
                let text =
                    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.999Z");
                let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
                assert_eq!(
                    of_rfc3339(&text),
                    Some(UnixTime::from_secs(seconds)),
                    "{text}"
                );
                days += 1;
            }
        }
    }
}

#[test]
fn what_is_no_day_since_1970_is_no_time() {
    for day in [
        "0000-01-01",
        "1969-12-31",
        "2026-00-01",
        "2026-13-01",
        "2026-11-00",
        "2026-11",
        "noon",
    ] {
        assert_eq!(of_rfc3339(&format!("{day}T00:00:00.000Z")), None, "{day}");
    }
}

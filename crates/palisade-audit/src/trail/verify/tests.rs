use super::*;

const PREV: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const BOOT: &str = "0011223344556677";

/// A line with the seal of these parts.
fn line(seq: &str, boot: &str, prev: &str, end: &str) -> String {
    format!(
        "{{\"timestamp\":\"t\",\"event\":\"x\",\"seal\":{{\"seq\":{seq},\"boot\":\"{boot}\",\"prev\":\"{prev}{end}"
    )
}

fn seq(line: &str) -> Option<u64> {
    Sealed::of(line.as_bytes()).map(|sealed| sealed.seq)
}

#[test]
fn a_seal_is_known_at_the_end_of_a_line_of_every_format() {
    // The seal's brace and the record's; ECS and OCSF have an object around it.
    assert_eq!(seq(&line("7", BOOT, PREV, "\"}}")), Some(7));
    assert_eq!(seq(&line("41", BOOT, PREV, "\"}}}")), Some(41));
    let signed = |braces: &str| format!("\"}},\"signature\":\"{}\"{braces}", "s".repeat(86));
    assert_eq!(seq(&line("8", BOOT, PREV, &signed("}"))), Some(8));
    assert_eq!(seq(&line("9", BOOT, PREV, &signed("}}"))), Some(9));
    let text = line("7", BOOT, PREV, "\"}}");
    let sealed = Sealed::of(text.as_bytes()).unwrap();
    assert_eq!(sealed.prev, PREV.as_bytes());
    assert!(sealed.signed.is_none());
    let text = line("7", BOOT, PREV, &signed("}"));
    let (what, signature) = Sealed::of(text.as_bytes()).unwrap().signed.unwrap();
    assert_eq!(signature, "s".repeat(86).as_bytes());
    assert_eq!(what, line("7", BOOT, PREV, "\"}").as_bytes());
}

#[test]
fn what_only_looks_like_a_seal_is_none() {
    let signature =
        |len: usize, braces: &str| format!("\"}},\"signature\":\"{}\"{braces}", "s".repeat(len));
    let capital = PREV.replace('a', "A");
    for forged in [
        String::new(),
        "}}".into(),
        "{}".into(),
        line("7", BOOT, PREV, "\"}"),
        line("7", BOOT, PREV, "\"}}}}"),
        line("7", BOOT, PREV, "}}"),
        line("7", BOOT, PREV, "\"}} "),
        line("7", BOOT, PREV, &signature(86, "")),
        line("7", BOOT, PREV, &signature(86, "}}}")),
        line("7", BOOT, PREV, &signature(85, "}")),
        line("7", BOOT, PREV, &signature(87, "}")),
        line("", BOOT, PREV, "\"}}"),
        line("-7", BOOT, PREV, "\"}}"),
        line("7 ", BOOT, PREV, "\"}}"),
        line("99999999999999999999", BOOT, PREV, "\"}}"),
        line("7", &BOOT[1..], PREV, "\"}}"),
        line("7", "00112233445566778", PREV, "\"}}"),
        line("7", "001122334455667g", PREV, "\"}}"),
        line("7", "001122334455667F", PREV, "\"}}"),
        line("7", BOOT, &PREV[1..], "\"}}"),
        line("7", BOOT, &format!("{PREV}0"), "\"}}"),
        line("7", BOOT, &capital, "\"}}"),
        line("7", BOOT, PREV, "\"}}").replace("seal", "sael"),
        line("7", BOOT, PREV, "\"}}").replace("boot", "boat"),
        line("7", BOOT, PREV, "\"}}").replace("prev", "perv"),
    ] {
        assert!(Sealed::of(forged.as_bytes()).is_none(), "{forged}");
    }
}

#[test]
fn a_hash_is_compared_in_full() {
    let hash: [u8; 32] = std::array::from_fn(|nth| (nth * 7) as u8);
    let mut text = Vec::new();
    crate::format::json::hex(&mut text, &hash);
    assert!(is_hex_of(&text, &hash));
    for at in [0, 1, 31, 32, 62, 63] {
        let mut other = text.clone();
        other[at] = if other[at] == b'0' { b'1' } else { b'0' };
        assert!(!is_hex_of(&other, &hash), "digit {at}");
    }
    assert!(!is_hex_of(&text[..62], &hash));
    assert!(!is_hex_of(&[&text[..], b"00"].concat(), &hash));
    assert!(!is_hex_of(&text.to_ascii_uppercase(), &hash));
}

#[test]
fn only_the_event_of_a_record_says_that_others_are_missing() {
    let native = |event: &str| {
        format!(
            "{{\"timestamp\":\"2026-11-20T16:00:00.000Z\",\"seq\":123456789,\"event\":\"{event}\"}}"
        )
    };
    let ecs = |event: &str| {
        format!(
            "{{\"@timestamp\":\"2026-11-20T16:00:00.000Z\",\"event\":{{\"action\":\"{event}\"}}}}"
        )
    };
    let ocsf = |event: &str| {
        format!("{{\"time\":1,\"metadata\":{{\"version\":\"1.3.0\",\"event_code\":\"{event}\"}}}}")
    };
    for form in [&native as &dyn Fn(&str) -> String, &ecs, &ocsf] {
        for event in ["audit_gap", "audit_file_replaced"] {
            assert!(says_missing(form(event).as_bytes()), "{}", form(event));
        }
        for event in [
            "audit_gaps",
            "audit_ga",
            "xaudit_gap",
            "audit_file_begin",
            "http_request",
            "",
        ] {
            assert!(!says_missing(form(event).as_bytes()), "{}", form(event));
        }
    }
    let later = format!(
        "{},\"event\":\"audit_gap\"}}",
        native("x").trim_end_matches('}')
    );
    assert!(!says_missing(later.as_bytes()), "the first member decides");
    let far = format!(
        "{{\"padding\":\"{}\",\"event\":\"audit_gap\"}}",
        "p".repeat(80)
    );
    assert!(
        !says_missing(far.as_bytes()),
        "before it there is no room for a client's text"
    );
    assert!(!says_missing(b""));
}

/// Lines of a trail with these numbers and events, each chained to the one before.
fn chained(records: &[(u64, &str)]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut prev = "0".repeat(64);
    for (seq, event) in records {
        let line =
            line(&seq.to_string(), BOOT, &prev, "\"}}").replace("\"x\"", &format!("\"{event}\""));
        let mut hash = Vec::new();
        crate::format::json::hex(&mut hash, &seal::hash(line.as_bytes()));
        prev = String::from_utf8(hash).unwrap();
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text
}

fn verified(verifier: Verifier, files: &[&[u8]]) -> Result<Report, BadLine> {
    let mut verifier = verifier;
    for file in files {
        verifier.read(*file).unwrap();
    }
    verifier.report()
}

#[test]
fn a_chain_with_numbers_that_do_not_follow_is_wrong_where_they_do_not() {
    for (numbers, wrong) in [
        ([1, 1, 2], 2),
        ([1, 2, 1], 3),
        ([1, 3, 4], 2),
        ([5, 4, 3], 2),
    ] {
        let records = numbers.map(|number| (number, "x"));
        // The first line is chained to nothing, which a trail that begins later need not be.
        let bad = verified(Verifier::new(), &[&chained(&records)]).unwrap_err();
        assert_eq!(
            (bad.line, bad.fault),
            (wrong, Fault::Sequence),
            "{numbers:?}"
        );
    }
}

#[test]
fn numbers_may_be_missing_where_the_trail_says_so() {
    let report = verified(
        Verifier::new(),
        &[&chained(&[(1, "x"), (7, "audit_gap"), (8, "x")])],
    );
    let report = report.unwrap();
    assert_eq!((report.records, report.gaps), (3, 1));
    assert_eq!((report.first, report.last, report.unsigned), (1, 8, 3));
    // Backwards it goes nowhere.
    let bad = verified(Verifier::new(), &[&chained(&[(7, "x"), (7, "audit_gap")])]).unwrap_err();
    assert_eq!((bad.line, bad.fault), (2, Fault::Sequence));
}

#[test]
fn so_many_records_and_no_more_may_be_unsigned() {
    let trail = chained(&[(1, "x"), (2, "x"), (3, "x")]);
    assert!(verified(Verifier::new().max_unsigned(3), &[&trail]).is_ok());
    let bad = verified(Verifier::new().max_unsigned(2), &[&trail]).unwrap_err();
    assert_eq!((bad.line, bad.fault), (3, Fault::Unsigned));
}

#[test]
fn a_bad_line_is_named_by_its_file_and_its_place_there() {
    let trail = chained(&[(1, "x"), (2, "x"), (3, "x")]);
    let lines: Vec<&[u8]> = trail.split_inclusive(|byte| *byte == b'\n').collect();
    let second = [lines[1], b"nonsense\n"].concat();
    let bad = verified(Verifier::new(), &[lines[0], &second]).unwrap_err();
    assert_eq!((bad.file, bad.line, bad.fault), (2, 2, Fault::NotSealed));
    // What is missing is wrong behind the last line.
    let anchored = Verifier::new().anchor(9, [7; 32]);
    let bad = verified(anchored, &[lines[0], lines[1]]).unwrap_err();
    assert_eq!((bad.file, bad.line, bad.fault), (2, 2, Fault::Anchor));
}

#[test]
fn a_bad_line_says_where_it_is_and_what_is_wrong() {
    let faults = [
        Fault::NotSealed,
        Fault::Sequence,
        Fault::Chain,
        Fault::Signature,
        Fault::Unsigned,
        Fault::Torn,
        Fault::Anchor,
        Fault::First,
    ];
    let said: std::collections::BTreeSet<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), faults.len(), "each has words of its own");
    let bad = BadLine {
        file: 2,
        line: 3,
        fault: Fault::Torn,
    };
    assert_eq!(bad.to_string(), "file 2, line 3: does not end");
}

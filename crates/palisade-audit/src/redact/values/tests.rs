use super::*;

fn secrets(text: &str) -> Vec<&str> {
    let mut secrets = Vec::new();
    find(
        text.as_bytes(),
        Signs::of(text.as_bytes()),
        false,
        |place| secrets.push(&text[place]),
    );
    secrets
}

#[test]
fn known_forms_are_found() {
    // The token of RFC 7519, section 3.1, and the credential of RFC 7617, section 2.
    let jwt = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    assert_eq!(secrets(&format!("got {jwt}, thanks")), [jwt]);
    assert_eq!(
        secrets("Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ["QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]
    );
    // The token of RFC 6750, section 2.1.
    assert_eq!(secrets("bearer mF_9.B5f-4.1JqM"), ["mF_9.B5f-4.1JqM"]);
    // The example keys in AWS' documentation.
    assert_eq!(
        secrets("id=AKIAIOSFODNN7EXAMPLE;"),
        ["AKIAIOSFODNN7EXAMPLE"]
    );
    assert_eq!(secrets("see postgres://app:s3cr3t@db/x?y"), ["app:s3cr3t"]);
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n";
    assert_eq!(secrets(&format!("{pem}-----END PRIVATE KEY-----")), [pem]);
}

#[test]
fn card_numbers_are_known_by_issuer_and_check_digit() {
    // Test numbers that payment providers publish.
    for number in [
        "4242424242424242",
        "4242 4242 4242 4242",
        "5555-5555-5555-4444",
        "378282246310005",
        "6011111111111117",
        "30569309025904",
        "2223003122003222",
        "4222 222 222 222",
        "6759649826438453",
        "6200000000000005",
    ] {
        assert_eq!(secrets(&format!("card {number}.")), [number]);
    }
    for other in [
        "4242424242424241",
        "1795190400250",
        "20261120160000123",
        "00000000000000000",
        "9999999999999995",
        "42424242424242424242",
        "id4242424242424242",
        // Of an article, whose check digit is right for a card as well.
        "4006381333924",
        "88.36260490012778",
        "663-9513806-7554917",
    ] {
        assert_eq!(secrets(&format!("no {other}.")), [""; 0], "{other}");
    }
}

#[test]
fn prose_and_ordinary_values_stay() {
    for text in [
        "basic training and bearer bonds",
        "a bearer of news",
        "basic access",
        "2026-11-20T16:00:00Z",
        "550e8400-e29b-41d4-a716-446655440000",
        "https://example.org/a@b",
        "mailto",
        "eyJust a word",
        "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0",
        "+1 (555) 010-9999",
    ] {
        assert_eq!(secrets(text), [""; 0], "{text}");
    }
}

#[test]
fn places_are_in_order_and_inside() {
    use proptest::prelude::*;
    proptest!(|(text in "[ -~]{0,60}(://|eyJ|bearer |4242424242424242|AKIA)[ -~]{0,60}", is_cut in any::<bool>())| {
        let mut last = 0;
        find(text.as_bytes(), Signs::of(text.as_bytes()), is_cut, |place| {
            assert!(last <= place.start && place.start < place.end && place.end <= text.len());
            last = place.start;
        });
    });
}

#[test]
fn card_numbers_are_found_before_and_behind_other_digits() {
    let visa = "4111 1111 1111 1111";
    for text in [
        "4111 1111 1111 1111 12/26",
        "4111 1111 1111 1111 123",
        "4111 1111 1111 1111 12 26 123",
        "12 4111 1111 1111 1111",
        "2026-11-29 4111 1111 1111 1111",
        "4111 1111 1111 1111/12/26",
        "4111 1111 1111 1111,5",
    ] {
        assert!(secrets(text).contains(&visa), "{text}: {:?}", secrets(text));
    }
    assert_eq!(secrets("4111111111111111 123"), ["4111111111111111"]);
    assert_eq!(
        secrets("4111111111111111 5555555555554444"),
        ["4111111111111111", "5555555555554444"]
    );
    assert_eq!(
        secrets("4111-1111-1111-1111-5555-5555-5555-4444"),
        ["4111-1111-1111-1111", "5555-5555-5555-4444"]
    );
    // Written with other separators than space and hyphen.
    for text in [
        "4111+1111+1111+1111",
        "4111.1111.1111.1111",
        "4111_1111_1111_1111",
        "4111\t1111\t1111\t1111",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "3782.822463.10005",
    ] {
        assert_eq!(secrets(text), [text]);
    }
    assert_eq!(secrets("card_4111111111111111"), ["4111111111111111"]);
}

#[test]
fn credentials_of_schemes_are_found_however_they_are_spaced() {
    for gap in [" ", "  ", "\t", "+", " \t "] {
        assert_eq!(
            secrets(&format!("Authorization: Bearer{gap}abc123def")),
            ["abc123def"]
        );
        // `user:pass` in base64, which has no digit.
        assert_eq!(
            secrets(&format!("sent basic{gap}dXNlcjpwYXNz, refused")),
            ["dXNlcjpwYXNz"]
        );
    }
    assert_eq!(secrets("Bearer opaque"), ["opaque"]);
    assert_eq!(secrets("Bearer 12|aBcDeF/x"), ["12|aBcDeF/x"]);
}

#[test]
fn encrypted_tokens_are_found() {
    // RFC 7516, appendix A.1: the first characters of each part. `dir` has an empty second one.
    for token in [
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ",
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..48V1_ALb6US04U3b.5eym8TW_c8SuK0lt.XFBoMYUZodetZdvTiFvSkQ",
        // A header that begins with a space or a line's end.
        "eyAiYWxnIjogIm5vbmUifQ.eyJzdWIiOiJhZGEifQ.",
        "ewogImFsZyI6ICJub25lIn0.eyJzdWIiOiJhZGEifQ.",
    ] {
        assert_eq!(secrets(&format!("got {token} there")), [token]);
    }
}

#[test]
fn passwords_in_urls_are_found_also_with_raw_delimiters() {
    for password in [
        "/w", "123456/w", "p/w", "p?w", "p#w", "p/w?x#y", "p@w", "p@w/x", "12a",
    ] {
        let user_info = format!("user:{password}");
        assert_eq!(
            secrets(&format!("see https://{user_info}@db.example/x?y=1, or not")),
            [user_info.as_str()],
        );
    }
    assert_eq!(secrets("//user:pw@db/x"), ["user:pw"]);
    assert_eq!(secrets("amqp://:pw@db"), [":pw"]);
    for text in [
        "https://example.org:8443/a@b",
        "https://[::1]:8443/a@b",
        "https://example.org/x:y@z",
        "https://example.org/?to=ada@example.org",
        "http://localhost:3000",
        "// a comment: with mail@example.org",
    ] {
        assert_eq!(secrets(text), [""; 0], "{text}");
    }
}

#[test]
fn every_mark_is_found_with_what_follows_it() {
    for (mark, least) in marks::MARKS {
        let mark = std::str::from_utf8(mark).unwrap();
        let secret = format!("{mark}{}", "aB3".repeat(least / 3 + 1));
        for text in [
            secret.clone(),
            format!("x={secret}&y"),
            format!("key_{secret}"),
            format!("({secret})"),
        ] {
            assert_eq!(secrets(&text), [secret.as_str()], "{text}");
        }
    }
}

#[test]
fn numbers_are_cards_in_every_notation() {
    for number in [
        "4111111111111111",
        "4111111111111111.0",
        "4.111111111111111e15",
        "4.111111111111111E+15",
        "-4111111111111111",
        "378282246310005",
    ] {
        assert!(is_card(number.as_bytes()), "{number}");
    }
    for number in [
        "1795190400250",
        "4111111111111112",
        "4.1111111111111e3",
        "52.520006599999996",
        "1e400",
        "true",
    ] {
        assert!(!is_card(number.as_bytes()), "{number}");
    }
}

#[test]
fn a_token_is_known_from_its_shortest_form_on() {
    // RFC 7515, section 3.1: the header begins with `{` and a quote, a space, a tab or a line's end, in base64url.
    for header in ["eyJhbGci", "eyAiYWxn", "ewoiYWxn", "ew0KImFs", "ewkiYWxn"] {
        let token = format!("{header}.12345678");
        assert_eq!(secrets(&token), [&token[..]]);
        assert_eq!(secrets(&format!("a ({token}) b")), [&token[..]]);
    }
    // Characters of base64url in each part, several and empty parts, and nothing behind the token.
    let token = "eyJ-_hbGci.a-_Z09..b.";
    assert_eq!(secrets(&format!("{token}~x")), [token]);
    for other in [
        "eyJhbGc.123456789",
        "eyJhbGci.1234567",
        "eyJhbGci12345678901234",
        "eyJhbGci+.12345678",
        "exJhbGci.12345678",
        "eYJhbGci.12345678",
        "xeyJhbGci.12345678",
    ] {
        assert!(secrets(other).is_empty(), "{other}");
    }
}

#[test]
fn credentials_behind_a_scheme_are_told_from_prose() {
    // A text that is nothing but a header's value, whatever the token.
    assert_eq!(secrets("Bearer abc"), ["abc"]);
    assert_eq!(secrets("Bearer\t abc"), ["abc"]);
    // Long, or mixed and not short.
    assert_eq!(
        secrets("the bearer abcdefghijklmnopqrst"),
        ["abcdefghijklmnopqrst"]
    );
    assert_eq!(secrets("the bearer abcde1."), ["abcde1."]);
    assert_eq!(secrets("the bearer abcdEf"), ["abcdEf"]);
    for prose in [
        "the Bearer abc",
        "By the bearer abc",
        "Bearer of news",
        "bearer abc",
        "the bearer abcdefghijklmnopqrs",
        "the bearer abcd1",
        "the bearer abcdef",
        "bearerabcde1",
        "the bearer ",
        "Bearer realm=\"x1y2z3\"",
        "basic training1",
        "basic abcdefghijklmn1",
    ] {
        assert!(secrets(prose).is_empty(), "{prose}");
    }
    assert_eq!(secrets("basic abcdefghijklmno1"), ["abcdefghijklmno1"]);
    // RFC 7617: base64 of `u:p`.
    assert_eq!(secrets("basic dTpw"), ["dTpw"]);
}

#[test]
fn a_secret_may_follow_a_word_at_once() {
    assert_eq!(secrets("a//user:s3cret@h"), ["user:s3cret"]);
    let pem = "-----BEGIN PRIVATE KEY-----MC4CAQ";
    assert_eq!(secrets(&format!("x{pem}")), [pem]);
    assert_eq!(secrets("x_AKIAIOSFODNN7EXAMPLE"), ["AKIAIOSFODNN7EXAMPLE"]);
}

#[test]
fn of_pem_texts_private_keys_alone_are_secrets() {
    let certificate =
        "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----";
    assert!(secrets(certificate).is_empty());
    let public = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYI\n-----END PUBLIC KEY-----";
    assert!(secrets(public).is_empty());
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBkg4LVWM9nu";
    assert_eq!(secrets(key), [key]);
}

#[test]
fn a_token_ends_before_what_is_not_visible() {
    for end in ["\u{7f}", " ", "\n", "\u{e9}"] {
        let text = format!("Bearer kD2vGq0yX8mTn5cWbR7s{end}tail");
        assert_eq!(secrets(&text), ["kD2vGq0yX8mTn5cWbR7s"], "{end:?}");
    }
}

#[test]
fn a_scheme_without_a_credential_holds_none() {
    for text in [
        "Bearer ",
        "Bearer",
        "basic ",
        "Basic aGVsbG8=",
        "Basic \"x\"",
    ] {
        assert!(secrets(text).is_empty(), "{text:?}");
    }
    // A user and a password, `a:b`.
    assert_eq!(secrets("Basic YTpi"), ["YTpi"]);
}

#[test]
fn issuers_have_numbers_of_their_own_beginnings_and_lengths() {
    // Of each the last digit is the check digit.
    for number in [
        // JCB: test numbers that payment providers publish, and longer ones.
        "3530111333300000",
        "3566002020360505",
        "35280000000000007",
        "3528000000000000007",
        // The bounds of Mastercard's second range.
        "2221000000000009",
        "2720000000000005",
        "5000000000000009",
        "5900000000000000",
        "340000000000009",
        "36000000000008",
    ] {
        assert_eq!(secrets(&format!("card {number}.")), [number]);
    }
    for other in [
        "2220000000000000",
        "2721000000000004",
        "222300312200005",
        "352800000000007",
        "510500000000002",
        "51050000000000002",
        "360000000000004",
        "34000000000000",
        "310000000000005",
    ] {
        assert_eq!(secrets(&format!("no {other}.")), [""; 0], "{other}");
    }
}

#[test]
fn a_number_is_a_cards_as_its_check_digit_says() {
    let mut checked = 0;
    for last in 0..10 {
        // Every digit stands in a place that is doubled and in one that is not.
        for digit in 0..10 {
            let number = format!("4{digit}{digit}123456789012{last}");
            // By hand: doubled are the 1st, 3rd and so on, and of a double of two digits both count.
            let sum: u32 = number
                .bytes()
                .enumerate()
                .map(|(nth, byte)| {
                    let digit = u32::from(byte - b'0');
                    match nth % 2 {
                        0 => [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit as usize],
                        _ => digit,
                    }
                })
                .sum();
            let is_card = !secrets(&format!("{number}.")).is_empty();
            assert_eq!(is_card, sum.is_multiple_of(10), "{number}");
            checked += u32::from(is_card);
        }
    }
    assert_eq!(checked, 10, "one check digit for each number");
}

#[test]
fn groups_of_a_card_are_as_far_apart_as_four_characters() {
    let four = "4111    1111  - 1111 1111";
    assert_eq!(secrets(&format!("card {four} .")), [four]);
    assert_eq!(secrets("4111     1111 1111 1111"), [""; 0]);
    // What follows a number, and is no digit, does not belong to it.
    for rest in ["", " ", " - ", "  x", "--", " .", "\u{a0}é", "-v2"] {
        assert_eq!(
            secrets(&format!("4111111111111111{rest}")),
            ["4111111111111111"],
            "{rest:?}"
        );
    }
}

#[test]
fn short_groups_are_a_card_between_spaces_and_hyphens_alone() {
    for number in [
        "41 11 11 11 11 11 11 11",
        "41-11-11-11-11-11-11-11",
        "378.282.246.310.005",
        "378/2822/46310005",
    ] {
        assert_eq!(secrets(number), [number]);
    }
    for other in [
        "41.11.11.11.11.11.11.11",
        "4111.1111.1111.11.11",
        "41/11/11/11/11/11/11/11",
        "4111 1111 1111.11 11",
    ] {
        assert_eq!(secrets(other), [""; 0], "{other}");
    }
}

#[test]
fn a_number_with_an_exponent_is_a_card_by_its_digits() {
    for other in [
        "4.111111111111112e15",
        "4.111111111111111e3",
        "4.111111111111111e400",
        "4e15",
    ] {
        assert!(!is_card(other.as_bytes()), "{other}");
    }
    assert!(is_card(b"411111111111111.1e1"));
    // 13 digits in one group are no card's in any notation.
    assert!(!is_card(b"4.222222222222e12"));
}

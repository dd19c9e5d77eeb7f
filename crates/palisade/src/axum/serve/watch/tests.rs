use std::time::Duration;

use palisade_core::time;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A watch that is asked once a second, and the second at which it closes the connection.
fn closes_after(
    settings: &Settings,
    is_full: bool,
    reading: impl Fn(u64) -> Reading,
) -> Option<(u64, Overdue)> {
    let begin = time::now();
    let mut watch = Watch::new(begin);
    (1..=1_000).find_map(|second| {
        let now = begin + SECOND * second as u32;
        watch
            .check(settings, is_full, now, reading(second))
            .map(|overdue| (second, overdue))
    })
}

fn begun(begun: u32) -> Reading {
    Reading {
        begun,
        ..Reading::default()
    }
}

#[test]
fn a_connection_without_a_first_head_has_the_header_timeout() {
    let settings = Settings::default();
    let closed = closes_after(&settings, false, |_| begun(0));
    assert_eq!(closed, Some((10, Overdue::Head)));
}

#[test]
fn between_requests_it_has_the_idle_timeout_and_from_the_first_byte_on_the_header_timeout() {
    let settings = Settings::default();
    // Seen idle for the first time in the first second.
    let closed = closes_after(&settings, false, |_| begun(1));
    assert_eq!(closed, Some((76, Overdue::Idle)));
    let closed = closes_after(&settings, false, |second| Reading {
        has_begun_head: second >= 50,
        ..begun(1)
    });
    assert_eq!(closed, Some((60, Overdue::Head)));
}

#[test]
fn each_request_starts_the_idle_time_anew() {
    let settings = Settings::default();
    let closed = closes_after(&settings, false, |second| begun(1 + (second / 70) as u32));
    assert_eq!(closed, None);
}

#[test]
fn idle_connections_make_room_when_every_place_is_taken() {
    let settings = Settings::default();
    let closed = closes_after(&settings, true, |_| begun(1));
    assert_eq!(closed, Some((2, Overdue::Idle)));
    let handling = |_| Reading {
        under_way: 1,
        ..begun(1)
    };
    assert_eq!(closes_after(&settings, true, handling), None);
}

#[test]
fn a_handler_may_take_its_time() {
    let handling = |_| Reading {
        under_way: 1,
        ..begun(1)
    };
    assert_eq!(closes_after(&Settings::default(), false, handling), None);
}

/// Reads so many bytes a second of an endless response.
fn reader(rate: u64) -> impl Fn(u64) -> Reading {
    move |second| Reading {
        under_way: 1,
        is_sending: true,
        written: second * rate,
        ..begun(1)
    }
}

#[test]
fn a_response_must_be_read_at_the_least_rate() {
    let settings = Settings::default();
    let closed = |rate| closes_after(&settings, false, reader(rate));
    assert_eq!(closed(0), Some((31, Overdue::Sending)));
    // Each 500 bytes are worth a second: with 250 a second the 30 seconds last for 60.
    let (second, overdue) = closed(250).unwrap();
    assert_eq!(overdue, Overdue::Sending);
    assert!((60..=62).contains(&second), "{second}");
    assert_eq!(closed(500), None);
}

#[test]
fn without_a_least_rate_a_few_bytes_within_the_timeout_will_do() {
    let settings = Settings {
        least_rate: 0,
        ..Settings::default()
    };
    let every_25_seconds = |bytes| {
        move |second: u64| Reading {
            written: second / 25 * bytes,
            ..reader(0)(second)
        }
    };
    assert_eq!(closes_after(&settings, false, every_25_seconds(64)), None);
    // The pings of HTTP/2.
    let closed = closes_after(&settings, false, every_25_seconds(17));
    assert_eq!(closed, Some((31, Overdue::Sending)));
    let stalled = closes_after(&settings, false, reader(0));
    assert_eq!(stalled, Some((31, Overdue::Sending)));
}

#[test]
fn a_client_that_takes_all_there_is_starts_the_time_of_its_transfer_anew() {
    // A stream that has nothing more to send for a moment, every 20 seconds.
    let stream = |second: u64| Reading {
        is_sending: !second.is_multiple_of(20),
        ..reader(0)(second)
    };
    assert_eq!(closes_after(&Settings::default(), false, stream), None);
}

#[test]
fn a_reason_is_named_after_the_setting_that_it_comes_of() {
    let names = [Overdue::Head, Overdue::Idle, Overdue::Sending].map(Overdue::as_str);
    assert_eq!(
        names,
        ["header_timeout", "idle_timeout", "transfer_timeout"]
    );
}

//! The numbers of rules beside their decisions: memory, room for other quotas, and windows.

use std::num::NonZeroU32;

use super::*;
use crate::test_support::TestRng;

fn rules(limits: &[Limit]) -> Rules {
    let compiled = limits.iter().map(|limit| limit.compile().unwrap());
    Rules::new(&compiled.collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_key_takes_the_memory_that_the_table_of_limits_says() {
    for (limit, bytes) in [
        (Limit::token_bucket(per_second(10), burst(20)), 8),
        (Limit::sliding(65_535, HOUR), 56),
        (Limit::sliding(65_536, HOUR), 88),
        (Limit::fixed(100, HOUR), 16),
        (Limit::exact(10, HOUR), 80),
        #[cfg(feature = "calendar")]
        (Limit::calendar(100, Calendar::day("UTC")), 16),
    ] {
        assert_eq!(8 * limit.compile().unwrap().words(), bytes, "{limit:?}");
    }
}

/// A limit, of which those that cannot hold any quota are the most.
fn some_limit(rng: &mut TestRng) -> Limit {
    match rng.below(5) {
        0 => Limit::fixed(1 + rng.below(2_000) as u32, HOUR),
        1 => Limit::sliding(1 + rng.below(2_000) as u32, HOUR),
        2 => Limit::sliding(64_000 + rng.below(3_000) as u32, HOUR),
        _ => Limit::exact(1 + rng.below(64) as u32, HOUR),
    }
}

/// Whether these rules have all of the numbers that a quota gives them.
fn holds(rules: &Rules, quota: u32) -> bool {
    let base = u64::from(rules.iter().next().unwrap().quota());
    let scaled = rules.scaled(NonZeroU32::new(quota).unwrap());
    rules.iter().zip(scaled.iter()).all(|(rule, scaled)| {
        let number = u64::from(rule.quota()) * u64::from(quota) / base;
        u64::from(scaled.quota()) == number.max(1)
    })
}

#[test]
fn the_room_is_the_largest_quota_that_brings_no_rule_down() {
    let rng = &mut TestRng::new(1);
    let mut bounded = 0;
    for _ in 0..2_000 {
        let limits: Vec<Limit> = (0..=rng.below(3)).map(|_| some_limit(rng)).collect();
        let rules = rules(&limits);
        let room = rules.room();
        if room < u32::MAX {
            bounded += 1;
            assert!(holds(&rules, room), "{room}: {limits:?}");
            assert!(!holds(&rules, room + 1), "{room}: {limits:?}");
        }
    }
    assert!(bounded > 1_000);
    assert_eq!(rules(&[Limit::fixed(5, HOUR)]).room(), u32::MAX);
    assert_eq!(rules(&[Limit::sliding(5, HOUR)]).room(), 65_535);
    assert_eq!(rules(&[Limit::sliding(65_536, HOUR)]).room(), u32::MAX);
    assert_eq!(rules(&[Limit::exact(5, HOUR)]).room(), 5);
}

#[test]
fn room_is_made_for_a_quota_as_far_as_a_log_can_have_it() {
    let made = |limits: &[Limit], quota| rules(limits).with_room(NonZeroU32::new(quota).unwrap());
    assert_eq!(made(&[Limit::exact(5, HOUR)], 9).room(), 9);
    assert_eq!(made(&[Limit::exact(5, HOUR)], 3).room(), 5);
    assert_eq!(made(&[Limit::exact(5, HOUR)], 100).room(), 64);
    assert_eq!(made(&[Limit::sliding(5, HOUR)], 65_536).room(), u32::MAX);
    // Of the second 7 for each 5 of the first: 12 for 9, and 13 not before 10.
    let two = [Limit::fixed(5, HOUR), Limit::exact(7, HOUR)];
    let made = made(&two, 9);
    assert_eq!((made.room(), made.words()), (9, 2 + 12));
}

#[test]
fn a_window_of_the_calendar_alone_needs_a_date() {
    let others = [
        Limit::token_bucket(per_second(10), burst(20)),
        Limit::sliding(100, HOUR),
        Limit::fixed(100, HOUR),
        Limit::exact(10, HOUR),
    ];
    assert!(!rules(&others).need_date());
    for limit in others {
        assert!(!rules(&[limit]).need_date(), "{limit:?}");
    }
    #[cfg(feature = "calendar")]
    {
        let daily = Limit::calendar(100, Calendar::day("UTC"));
        assert!(rules(&[daily]).need_date());
        assert!(rules(&[others[0], daily]).need_date());
    }
}

#[test]
fn a_limit_without_a_calendar_has_one_length_of_window() {
    for (limit, length) in [
        (Limit::token_bucket(per_minute(10), burst(20)), MINUTE),
        (Limit::sliding(100, HOUR), HOUR),
        (Limit::fixed(100, DAY), DAY),
        (Limit::exact(10, SECOND), SECOND),
    ] {
        let nanos = u64::try_from(length.as_nanos()).unwrap();
        assert_eq!(limit.compile().unwrap().windows(), [nanos], "{limit:?}");
    }
}

#[cfg(feature = "calendar")]
#[test]
fn every_window_of_four_years_has_a_length_that_is_known_before() {
    const NANOS: u128 = 1_000_000_000;
    for zone in ["UTC", "Europe/Berlin", "America/New_York"] {
        for calendar in [
            Calendar::hour(zone),
            Calendar::day(zone),
            Calendar::week(zone, Weekday::Sunday),
            Calendar::month(zone),
        ] {
            let rule = Limit::calendar(1, calendar).compile().unwrap();
            let known = rule.windows();
            // From 2024 to 2027, in steps of five hours and some minutes.
            for unix in (1_704_067_200..1_830_297_600_u128).step_by(18_777) {
                let length = rule.dated(Date::new(unix * NANOS, 0), 0).window();
                assert!(known.contains(&length), "{calendar:?} at {unix}: {length}");
            }
        }
    }
}

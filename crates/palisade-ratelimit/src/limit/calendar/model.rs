//! Windows of the calendar against a walk through time, and their counts against a table of windows.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};

use super::{Calendar, Weekday, Windows};
use crate::limit::calendar_window::CalendarWindow;
use crate::limit::check::Fit;
use crate::limit::{Date as StoreDate, Word};
use crate::test_support::{TestRng, steps};

const ZONES: [&str; 10] = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "UTC",
];

/// All windows begin at such a moment: no zone of the last fifty years was off by less, but for St. John's.
const GRID: i64 = 15 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Hour,
    Day,
    Week(i8),
    Month,
}

impl Unit {
    fn random(rng: &mut TestRng) -> Self {
        match rng.below(5) {
            0 => Self::Hour,
            1 | 2 => Self::Day,
            3 => Self::Week(rng.below(7) as i8),
            _ => Self::Month,
        }
    }

    fn calendar(self, zone: &str) -> Calendar {
        use Weekday::*;
        const DAYS: [Weekday; 7] = [
            Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday,
        ];
        match self {
            Self::Hour => Calendar::hour(zone),
            Self::Day => Calendar::day(zone),
            Self::Week(first) => Calendar::week(zone, DAYS[first as usize]),
            Self::Month => Calendar::month(zone),
        }
    }

    /// The label of the window whose clocks show this: each later label is greater.
    fn label(self, shown: DateTime) -> (Date, i8) {
        let date = shown.date();
        match self {
            Self::Hour => (date, shown.hour()),
            Self::Day => (date, 0),
            Self::Week(first) => {
                let mut day = date;
                while day.weekday().to_monday_zero_offset() != first {
                    day = day.yesterday().unwrap();
                }
                (day, 0)
            }
            Self::Month => (date.with().day(1).build().unwrap(), 0),
        }
    }

    /// More than a window is ever long, in days.
    const fn more_than(self) -> i64 {
        match self {
            Self::Hour => 3,
            Self::Day => 4,
            Self::Week(_) => 11,
            Self::Month => 35,
        }
    }
}

/// The window of a time, by walking there from long before: it changes whenever the clocks show a label that they never
/// showed before.
fn walk(zone: &TimeZone, unit: Unit, seconds: i64, grid: i64) -> (i64, i64) {
    let label = |seconds| unit.label(zone.to_datetime(Timestamp::from_second(seconds).unwrap()));
    let mut at = (seconds - unit.more_than() * 86_400) / grid * grid;
    let (mut highest, mut start) = (label(at), at);
    loop {
        at += grid;
        let shown = label(at);
        if shown > highest {
            if at > seconds {
                return (start, at);
            }
            (highest, start) = (shown, at);
        }
    }
}

fn of(unit: Unit, zone: &str, seconds: i64) -> (i64, i64) {
    let windows = Windows::of(unit.calendar(zone)).unwrap();
    let window = windows.find(seconds as u64);
    assert_eq!(windows.at(seconds as u64), window, "the one at hand");
    (window.start() as i64, window.end() as i64)
}

#[test]
fn windows_are_those_that_the_clocks_of_a_zone_show() {
    let mut rng = TestRng::new(11);
    let database = TimeZoneDatabase::bundled();
    for _ in 0..steps(2_000) {
        let name = ZONES[rng.below(ZONES.len() as u64) as usize];
        let zone = database.get(name).unwrap();
        let unit = Unit::random(&mut rng);
        // From 1976 to 2037. Half of the times lie near a change of the clocks.
        let mut seconds = (6 * 365 * 86_400 + rng.below(61 * 365 * 86_400)) as i64;
        if rng.below(2) == 0
            && let Some(change) = zone
                .preceding(Timestamp::from_second(seconds).unwrap())
                .next()
        {
            let near = change.timestamp().as_second();
            seconds = near.max(7 * 365 * 86_400) + rng.below(8 * 3_600) as i64 - 4 * 3_600;
        }
        assert_eq!(
            of(unit, name, seconds),
            walk(&zone, unit, seconds, GRID),
            "{unit:?} of {seconds} in {name}"
        );
    }
}

/// Until 2011 the clocks of St. John's were changed at one minute past midnight: back into the day before.
#[test]
fn a_day_that_clocks_show_again_goes_on() {
    let name = "America/St_Johns";
    let zone = TimeZoneDatabase::bundled().get(name).unwrap();
    for unit in [Unit::Hour, Unit::Day] {
        // 2006-10-29T02:31Z, when 00:01 became 23:01 of the 28th.
        for minute in -90..90 {
            let seconds = 1_162_089_060 + minute * 60;
            let walked = walk(&zone, unit, seconds, 60);
            assert_eq!(of(unit, name, seconds), walked, "{unit:?}, minute {minute}");
        }
    }
}

/// As `date` of GNU tells them.
#[test]
fn known_windows_begin_and_end_when_they_should() {
    // 23 and 25 hours.
    let day = |zone, seconds| of(Unit::Day, zone, seconds);
    let new_york = "America/New_York";
    assert_eq!(day(new_york, 1_772_946_000), (1_772_946_000, 1_773_028_800));
    assert_eq!(day(new_york, 1_773_028_799), (1_772_946_000, 1_773_028_800));
    assert_eq!(day(new_york, 1_793_550_000), (1_793_505_600, 1_793_595_600));
    // 24 hours and a half, and 23 and a half.
    let lord_howe = "Australia/Lord_Howe";
    assert_eq!(
        day(lord_howe, 1_775_350_000),
        (1_775_307_600, 1_775_395_800)
    );
    assert_eq!(
        day(lord_howe, 1_791_100_000),
        (1_791_034_200, 1_791_118_800)
    );
    // The 29th of December ends where the 31st begins.
    let apia = "Pacific/Apia";
    assert_eq!(day(apia, 1_325_239_199).1, 1_325_239_200);
    assert_eq!(day(apia, 1_325_239_200).0, 1_325_239_200);
    // March has an hour less in Berlin, and so has the week of the 23rd.
    let berlin = "Europe/Berlin";
    let march = of(Unit::Month, berlin, 1_773_000_000);
    assert_eq!(march, (1_772_319_600, 1_774_994_400));
    let week = of(Unit::Week(0), berlin, 1_774_500_000);
    assert_eq!(week, (1_774_220_400, 1_774_821_600));
    // Midnight in Kathmandu is at a quarter past six in the evening, UTC.
    assert_eq!(day("Asia/Kathmandu", 1_767_204_900).0, 1_767_204_900);
    // An hour that is shown twice: 1:00 to 2:00 in New York on 1 November 2026, from 5:00Z to 7:00Z.
    let hour = of(Unit::Hour, new_york, 1_793_514_000);
    assert_eq!(hour, (1_793_509_200, 1_793_516_400));
}

#[test]
fn no_time_is_too_early_or_too_late() {
    for unit in [Unit::Hour, Unit::Day, Unit::Week(6), Unit::Month] {
        let windows = Windows::of(unit.calendar("Pacific/Kiritimati")).unwrap();
        // The last is as late as a date of the layer can be, in the year 2262.
        for seconds in [0, 1, u64::from(u32::MAX), 9_223_372_036] {
            let window = windows.at(seconds);
            assert!(window.start() <= seconds && seconds < window.end());
        }
        windows.at(u64::MAX);
    }
    assert!(Windows::of(Calendar::day("Mars/Olympus_Mons")).is_none());
    assert!(Windows::of(Calendar::day("../../etc/passwd")).is_none());
}

/// A count of each window that was ever open, by its beginning.
#[test]
fn counts_are_those_of_a_table_of_windows() {
    const SECOND: u64 = 1_000_000_000;
    let mut rng = TestRng::new(12);
    let database = TimeZoneDatabase::bundled();
    for round in 0..steps(100) {
        let name = ZONES[rng.below(ZONES.len() as u64) as usize];
        let zone = database.get(name).unwrap();
        let unit = [Unit::Hour, Unit::Day][rng.below(2) as usize];
        let quota = 1 + rng.below(9);
        let windows = Windows::of(unit.calendar(name)).unwrap();
        let rule = CalendarWindow::new(quota as u32, windows);
        let change = zone
            .following("2011-12-01T00:00Z".parse::<Timestamp>().unwrap())
            .next()
            .map_or(1_325_000_000, |change| change.timestamp().as_second());
        let began = u128::try_from(change).unwrap() - 86_400;
        let (mut now, state, mut table) = (0, Word::zeros(2), HashMap::<i64, u64>::new());
        let mut charges = Vec::new();
        for step in 0..60 {
            now += rng.below(5_400) * SECOND + rng.below(SECOND);
            let unix = began * u128::from(SECOND) + u128::from(now);
            let date = StoreDate::new(unix, now);
            let rule = rule.dated(date, now);
            let seconds = i64::try_from(unix / u128::from(SECOND)).unwrap();
            let (start, end) = walk(&zone, unit, seconds, GRID);
            let used = table.entry(start).or_default();
            let place = format!("round {round}, step {step}: {unit:?} in {name}");
            if rng.below(4) == 0 && !charges.is_empty() {
                let nth = rng.below(charges.len() as u64) as usize;
                let (window, at, date, cost): (i64, u64, StoreDate, u64) = charges.swap_remove(nth);
                rule.dated(date, at).refund(&state, at, cost);
                if window == start {
                    *used -= cost;
                }
            }
            let cost = rng.below(4);
            let left = u64::try_from(i128::from(end) * 1_000_000_000 - unix as i128).unwrap();
            let check = rule.check(&state, now, cost);
            let fits = *used + cost <= quota;
            let fit = match fits {
                true => Fit::Fits,
                false if cost > quota => Fit::Never,
                false => Fit::Wait(left),
            };
            assert_eq!(check.fit, fit, "{place}");
            if fits && cost > 0 {
                rule.commit(&state, now, cost);
                *used += cost;
                charges.push((start, now, date, cost));
            }
            assert_eq!(check.remaining, quota - *used, "{place}");
            assert_eq!(check.reset, if *used == 0 { 0 } else { left }, "{place}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_makes_no_room_and_one_that_was_far_off_does_not_lock_out() {
    const HOUR: u128 = 3_600 * 1_000_000_000;
    let rule = CalendarWindow::new(2, Windows::of(Calendar::day("UTC")).unwrap());
    let state = Word::zeros(2);
    let midnight = 20_000 * 24 * HOUR;
    // Charged a minute after midnight, by a clock that is then set back by two minutes.
    let after = rule.dated(StoreDate::new(midnight + HOUR / 60, 0), 0);
    after.commit(&state, 0, 2);
    let before = rule.dated(StoreDate::new(midnight - HOUR / 60, 0), 0);
    let day_and_a_minute = (24 * HOUR + HOUR / 60) as u64;
    assert_eq!(before.check(&state, 0, 1).fit, Fit::Wait(day_and_a_minute));
    // A charge of one year later says nothing.
    let later = rule.dated(StoreDate::new(midnight + 365 * 24 * HOUR, 0), 0);
    later.commit(&state, 0, 2);
    assert_eq!(before.check(&state, 0, 1).remaining, 1);
    before.commit(&state, 0, 1);
    assert_eq!(before.check(&state, 0, 1).remaining, 0);
    // A charge of a window before, which is given back after a leap of the clock, gives nothing to the one that follows.
    let old = StoreDate::new(midnight - HOUR, 0);
    let state = Word::zeros(2);
    rule.dated(old, 0).commit(&state, 0, 1);
    let new = rule.dated(StoreDate::new(midnight + HOUR, 0), 0);
    new.commit(&state, 0, 2);
    rule.dated(old, 0).refund(&state, 0, 1);
    assert_eq!(new.check(&state, 0, 1).fit, Fit::Wait((23 * HOUR) as u64));
}

/// The walk itself is held against a day that is known.
#[test]
fn the_walk_finds_the_day_of_23_hours() {
    let zone = TimeZoneDatabase::bundled().get("America/New_York").unwrap();
    let noon: Timestamp = "2026-03-08T17:00Z".parse().unwrap();
    let walked = walk(&zone, Unit::Day, noon.as_second(), GRID);
    assert_eq!(walked.1 - walked.0, 23 * 3_600);
    let next = noon.checked_add(24.hours()).unwrap().as_second();
    let walked = walk(&zone, Unit::Day, next, GRID);
    assert_eq!(walked.1 - walked.0, 24 * 3_600);
}

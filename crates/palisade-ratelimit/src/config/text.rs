//! Settings that are written as text.

use std::time::Duration;

use http::StatusCode;
use palisade_core::Problems;

use crate::policy::key::KeyChain;

/// A chain of these sources, if there are any.
pub(super) fn chain(sources: &[String], problems: &mut Problems) -> Option<KeyChain> {
    let mut chain = KeyChain::new();
    for (position, source) in sources.iter().enumerate() {
        chain = match source.as_str() {
            "principal" => chain.principal(),
            "client-ip" => chain.client_ip(),
            "authorization" => chain.authorization(),
            other => match other.strip_prefix("header:") {
                Some(name) => chain.claimed_header(name),
                None => {
                    let reason = format!(
                        "{other:?} is not principal, client-ip, authorization or header:NAME"
                    );
                    problems.push(format!("key[{position}]"), reason);
                    chain
                }
            },
        };
    }
    (!sources.is_empty()).then_some(chain)
}

/// A time of a field; any where it cannot be read.
pub(super) fn time(problems: &mut Problems, field: &str, text: &str) -> Duration {
    duration(text).unwrap_or_else(|| {
        let reason = format!("{text:?} is not a time such as 500ms, 10s, 1m, 1h or 1d");
        problems.push(field, reason);
        Duration::from_secs(1)
    })
}

/// A number with a unit: `500ms`, `10s`, `1m`, `1h` or `1d`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

/// A window of the calendar.
#[cfg(feature = "calendar")]
pub(super) fn calendar(text: &str, zone: &str) -> Option<crate::Calendar> {
    use crate::{Calendar, Weekday};
    Some(match text {
        "hour" => Calendar::hour(zone),
        "day" => Calendar::day(zone),
        "month" => Calendar::month(zone),
        "week" => Calendar::week(zone, Weekday::Monday),
        _ => {
            let first_day = match text.strip_prefix("week:")? {
                "monday" => Weekday::Monday,
                "tuesday" => Weekday::Tuesday,
                "wednesday" => Weekday::Wednesday,
                "thursday" => Weekday::Thursday,
                "friday" => Weekday::Friday,
                "saturday" => Weekday::Saturday,
                "sunday" => Weekday::Sunday,
                _ => return None,
            };
            Calendar::week(zone, first_day)
        }
    })
}

/// Some statuses: one, such as `304`, or a class of them, such as `2xx`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statuses {
    first: u16,
    last: u16,
}

impl Statuses {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            text.parse()
                .ok()
                .filter(|number| (100..600).contains(number))
        };
        let (first, last) = match text.strip_suffix("xx") {
            Some(class) => (
                number(&format!("{class}00"))?,
                number(&format!("{class}99"))?,
            ),
            None => (number(text)?, number(text)?),
        };
        Some(Self { first, last })
    }

    pub(super) fn contain(self, status: StatusCode) -> bool {
        (self.first..=self.last).contains(&status.as_u16())
    }
}

/// The behaviour while Redis is down.
#[cfg(feature = "redis")]
pub(super) fn outage(text: &str) -> Option<crate::Outage> {
    match (text, text.strip_prefix("local:")) {
        ("deny", _) => Some(crate::Outage::Deny),
        ("allow", _) => Some(crate::Outage::Allow),
        ("local", _) => Some(crate::Outage::default()),
        (_, Some(grace)) => Some(crate::Outage::LocalFallback {
            grace: duration(grace)?,
        }),
        _ => None,
    }
}

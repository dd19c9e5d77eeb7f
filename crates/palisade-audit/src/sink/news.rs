use std::collections::HashMap;
use std::time::Duration;

use palisade_core::time::Instant;
use serde_json::Value;

/// Tells new alerts from repeated ones, in bounded memory.
///
/// Two records are the same alert when event, actor and client address are.
#[derive(Debug)]
pub(super) struct News {
    within: Duration,
    known: HashMap<String, Known>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    at: Instant,
    /// Repetitions since then.
    repeated: u64,
}

/// An alert that was not raised within the time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fresh {
    /// The identity of the alert.
    pub(super) key: String,
    /// Records of the same alert that were held back since it was raised last.
    pub(super) held_back: u64,
}

impl News {
    /// The number of alerts that are remembered; beyond it all are forgotten.
    const MOST: usize = 10_000;

    pub(super) fn new(within: Duration) -> Self {
        Self {
            within,
            known: HashMap::new(),
        }
    }

    pub(super) const fn within(&self) -> Duration {
        self.within
    }

    /// Returns the alert, unless it is a repetition.
    pub(super) fn see(&mut self, record: &Value, now: Instant) -> Option<Fresh> {
        let part = |name: &str| record[name].as_str().unwrap_or_default();
        // A line feed in a part would be escaped in the record, so parts cannot run together.
        let key = [part("event"), part("actor"), part("client_ip")].join("\n");
        let known = self.known.get_mut(&key);
        if let Some(known) = known {
            if now.saturating_duration_since(known.at) < self.within {
                known.repeated += 1;
                return None;
            }
            let held_back = known.repeated;
            *known = Known {
                at: now,
                repeated: 0,
            };
            return Some(Fresh { key, held_back });
        }
        if self.known.len() >= Self::MOST {
            self.known.clear();
        }
        let first = Known {
            at: now,
            repeated: 0,
        };
        self.known.insert(key.clone(), first);
        Some(Fresh { key, held_back: 0 })
    }
}

#[cfg(test)]
mod tests {
    use palisade_core::time;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_alert_is_raised_once_within_the_time_and_then_says_how_often_it_came() {
        let mut news = News::new(Duration::from_secs(60));
        let start = time::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let record = json!({ "event": "e", "actor": "a", "client_ip": "192.0.2.1", "n": 1 });
        let again = json!({ "event": "e", "actor": "a", "client_ip": "192.0.2.1", "n": 2 });
        assert_eq!(news.see(&record, start).unwrap().held_back, 0);
        assert_eq!(news.see(&again, at(1)), None);
        assert_eq!(news.see(&record, at(59)), None);
        assert_eq!(news.see(&record, at(60)).unwrap().held_back, 2);
        assert_eq!(news.see(&record, at(119)), None);
        assert_eq!(news.see(&record, at(120)).unwrap().held_back, 1);
    }

    #[test]
    fn another_event_actor_or_address_is_another_alert() {
        let mut news = News::new(Duration::from_secs(60));
        let now = time::now();
        for record in [
            json!({ "event": "e", "actor": "a", "client_ip": "192.0.2.1" }),
            json!({ "event": "f", "actor": "a", "client_ip": "192.0.2.1" }),
            json!({ "event": "e", "actor": "b", "client_ip": "192.0.2.1" }),
            json!({ "event": "e", "actor": "a", "client_ip": "192.0.2.2" }),
            json!({ "event": "ea", "client_ip": "192.0.2.1" }),
        ] {
            assert!(news.see(&record, now).is_some(), "{record}");
            assert!(news.see(&record, now).is_none(), "{record}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut news = News::new(Duration::from_secs(60));
        let now = time::now();
        for nth in 0..=News::MOST {
            let record = json!({ "event": "e", "actor": nth.to_string() });
            assert!(news.see(&record, now).is_some());
            assert!(news.known.len() <= News::MOST);
        }
    }
}

//! The fields of a distributed trace: which of them a request may keep, and what goes on to the next service.

use http::{HeaderMap, HeaderName, HeaderValue};
use palisade_core::TraceParent;

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The fields that describe a trace beside `traceparent` and `tracestate`: W3C Baggage, and both forms of Zipkin's B3.
const OTHERS: [HeaderName; 7] = [
    HeaderName::from_static("baggage"),
    HeaderName::from_static("b3"),
    HeaderName::from_static("x-b3-traceid"),
    HeaderName::from_static("x-b3-spanid"),
    HeaderName::from_static("x-b3-parentspanid"),
    HeaderName::from_static("x-b3-sampled"),
    HeaderName::from_static("x-b3-flags"),
];

/// More entries than this make a list that is discarded (W3C Trace Context, section 3.3.1.1).
const MAX_ENTRIES: usize = 32;

/// The caller's place in a trace; a header that is there twice is none (W3C Trace Context, section 3.2).
pub(super) fn trace_parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => TraceParent::parse(value.as_bytes()),
        _ => None,
    }
}

/// Whether it names a field about a trace.
pub(super) fn is_about_trace(name: &HeaderName) -> bool {
    *name == TRACEPARENT || *name == TRACESTATE || OTHERS.contains(name)
}

/// Removes every field about a trace.
pub(super) fn remove_all(headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
    for name in &OTHERS {
        headers.remove(name);
    }
}

/// Removes what says nothing without a valid `traceparent`: `tracestate` (W3C Trace Context, section 3.3), and all that
/// came with one that is not valid. Where none was sent, B3 and baggage speak for themselves and stay.
pub(super) fn remove_stray(headers: &mut HeaderMap) {
    if headers.contains_key(TRACEPARENT) {
        remove_all(headers);
    } else {
        headers.remove(TRACESTATE);
    }
}

/// The notes of the systems on the way about a trace: `tracestate` of W3C Trace Context (level 1, section 3.3).
///
/// [`RequestScope::outbound`](palisade_core::RequestScope::outbound) carries the one of the request being served. Put
/// another one into the extensions of a call, and [`PropagateRequestIdLayer`](crate::PropagateRequestIdLayer) sends that.
///
/// # Example
///
/// ```
/// use palisade_headers::request_id::TraceState;
///
/// let mut served = http::Request::new(());
/// # served.headers_mut().insert(
/// #     "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
/// served.headers_mut().insert("tracestate", "vendor=00f067aa0ba902b7".parse().unwrap());
///
/// let mut call = http::Request::new(());
/// if let Some(state) = TraceState::of(served.headers()) {
///     call.extensions_mut().insert(state);
/// }
/// # assert_eq!(call.extensions().get::<TraceState>().unwrap().as_header(), "vendor=00f067aa0ba902b7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceState(HeaderValue);

impl TraceState {
    /// The state in these headers of a request that passed a [`RequestIdLayer`](crate::RequestIdLayer), which lets no
    /// state through that it does not trust.
    ///
    /// Several lines are one list. Answers `None` without a valid `traceparent`, and for a list that is not
    /// `key=value` with commas between, or has more than 32 entries: the standard says to discard it whole.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        trace_parent(headers)?;
        Self::list(headers).map(Self)
    }

    /// The list of these headers, if it is one.
    pub(super) fn list(headers: &HeaderMap) -> Option<HeaderValue> {
        let mut lines = headers.get_all(TRACESTATE).iter();
        let (first, second) = (lines.next()?, lines.next());
        let Some(second) = second else {
            return is_list(first.as_bytes()).then(|| first.clone());
        };
        let mut list = first.as_bytes().to_vec();
        for line in std::iter::once(second).chain(lines) {
            list.push(b',');
            list.extend_from_slice(line.as_bytes());
        }
        match is_list(&list) {
            true => HeaderValue::from_maybe_shared(bytes::Bytes::from(list)).ok(),
            false => None,
        }
    }

    /// The list as the value of a header.
    #[must_use]
    pub const fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

/// Whether it is a list of entries, of which some may be empty but not all.
fn is_list(list: &[u8]) -> bool {
    let mut entries = list
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty());
    let valid = entries
        .by_ref()
        .take(MAX_ENTRIES)
        .try_fold(0, |count, entry| is_entry(entry).then_some(count + 1));
    valid.is_some_and(|count| count > 0) && entries.next().is_none()
}

fn is_entry(entry: &[u8]) -> bool {
    let Some(equals) = entry.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (key, value) = (&entry[..equals], &entry[equals + 1..]);
    let in_key =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte);
    let in_value = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
    (1..=256).contains(&key.len())
        && key.iter().all(in_key)
        && (1..=256).contains(&value.len())
        && value.iter().all(in_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert(TRACEPARENT, parent.parse().unwrap());
        for line in lines {
            headers.append(TRACESTATE, line.parse().unwrap());
        }
        let state = TraceState::of(&headers)?;
        Some(state.as_header().to_str().unwrap().to_owned())
    }

    #[test]
    fn several_lines_of_a_state_are_one_list() {
        assert_eq!(state_of(&["a=1"]).unwrap(), "a=1");
        assert_eq!(state_of(&["a=1, b@c=2", "d=3"]).unwrap(), "a=1, b@c=2,d=3");
    }

    #[test]
    fn a_state_that_is_no_list_is_discarded_whole() {
        let entries = |count: usize| vec!["a=1"; count].join(",");
        assert!(state_of(&[&entries(32)]).is_some());
        for bad in [
            "",
            ",",
            "a",
            "a=",
            "=1",
            "A=1",
            "a=1,b",
            "a=b=c",
            &entries(33),
        ] {
            assert_eq!(state_of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(state_of(&[]), None);
    }
}

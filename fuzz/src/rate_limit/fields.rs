use http::{HeaderMap, Response};

/// Whether an answer refuses; checks that all of its fields can be read and agree.
pub(crate) fn refused<B>(response: &Response<B>) -> bool {
    let headers = response.headers();
    let grpc = headers.get("grpc-status").is_some();
    let refused = response.status() == 429 || grpc;
    let whole = |name| text(headers, name).and_then(|text| text.parse::<u64>().ok());
    let (limit, remaining) = (whole("x-ratelimit-limit"), whole("x-ratelimit-remaining"));
    assert!(limit >= Some(1), "x-ratelimit-limit: {limit:?}");
    assert!(whole("x-ratelimit-reset").is_some(), "x-ratelimit-reset");
    let policy = item(headers, "ratelimit-policy", ["q", "w"]);
    let current = item(headers, "ratelimit", ["r", "t"]);
    assert_eq!(policy.0, current.0, "the two fields name one policy");
    assert!(policy.1[1] >= 1, "a window of no time");
    assert_eq!(Some(current.1[0].unsigned_abs()), remaining);
    if grpc {
        assert_eq!(response.status(), 200);
        assert_eq!(whole("grpc-status"), Some(8));
        assert!(text(headers, "grpc-message").is_some_and(|text| !text.is_empty()));
        assert!(whole("grpc-retry-pushback-ms").is_some());
    } else if refused {
        assert!(whole("retry-after") >= Some(1), "retry-after");
        let kind = text(headers, "content-type");
        assert_eq!(kind, Some("application/problem+json"));
    } else {
        assert_eq!(response.status(), 200);
        assert_eq!(text(headers, "retry-after"), None);
    }
    refused
}

/// Whether an answer speaks of no limit at all.
pub(crate) fn uncounted<B>(response: &Response<B>) -> bool {
    response.status() == 200 && response.headers().is_empty()
}

/// The one value of a field.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok();
    assert!(values.next().is_none(), "{name} is there twice");
    value
}

/// The string and the two numbers of a structured field with one item.
fn item(headers: &HeaderMap, name: &str, keys: [&str; 2]) -> (String, [i64; 2]) {
    let value = text(headers, name).unwrap_or_default();
    let list: Option<sfv::List> = sfv::Parser::new(value).parse().ok();
    let Some([sfv::ListEntry::Item(item)]) = list.as_deref() else {
        panic!("{name}: {value:?} is no item");
    };
    let number = |key: &str| {
        let key = sfv::KeyRef::from_str(key).ok()?;
        item.params.get(key)?.as_integer().map(i64::from)
    };
    let (Some(string), [Some(first), Some(second)]) =
        (item.bare_item.as_string(), keys.map(number))
    else {
        panic!("{name}: {value:?} is not a string with {keys:?}");
    };
    assert!(first >= 0 && second >= 0, "{name}: {value:?}");
    (string.as_str().to_owned(), [first, second])
}

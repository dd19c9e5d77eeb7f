use std::time::Duration;

const DEFAULT_AGE: Duration = Duration::from_secs(15 * 60);
const MIN_AGE: Duration = Duration::from_secs(60);
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// A fetched document of keys.
#[derive(Debug, Clone)]
pub struct JwksResponse {
    /// The JSON, at most 512 KiB.
    pub body: Vec<u8>,
    /// The `Cache-Control` header, from which `max-age` is read.
    pub cache_control: Option<String>,
}

/// The reason for which a document could not be fetched, for the log.
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// `https`, or this machine.
pub(crate) fn is_trusted(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else {
        return false;
    };
    let local = matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme_str() {
        Some("https") => url.host().is_some(),
        Some("http") => local,
        _ => false,
    }
}

/// `max-age` (RFC 9111, section 5.2.2.1), brought into range.
pub(super) fn max_age(cache_control: Option<&str>) -> Duration {
    let seconds = cache_control.and_then(|text| {
        text.split(',')
            .filter_map(|directive| directive.trim().split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
            .and_then(|(_, value)| value.trim_matches('"').parse().ok())
    });
    seconds
        .map_or(DEFAULT_AGE, Duration::from_secs)
        .clamp(MIN_AGE, MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for good in [
            "https://idp.example/jwks",
            "http://localhost:8080/x",
            "http://127.0.0.1/x",
            "http://[::1]:1/x",
        ] {
            assert!(is_trusted(good), "{good}");
        }
        for bad in [
            "http://idp.example/jwks",
            "ftp://localhost/x",
            "/jwks",
            "",
            "https://",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
        ] {
            assert!(!is_trusted(bad), "{bad}");
        }
    }

    #[test]
    fn the_age_is_brought_into_range() {
        for (header, seconds) in [
            (None, 900),
            (Some("public, max-age=3600"), 3600),
            (Some("Max-Age=\"3600\""), 3600),
            (Some("no-store"), 900),
            (Some("max-age=0"), 60),
            (Some("max-age=99999999"), 86_400),
            (Some("max-age=abc"), 900),
        ] {
            assert_eq!(max_age(header), Duration::from_secs(seconds), "{header:?}");
        }
    }
}

//! The destination of a browser once it has signed in. Pure.

/// The longest target, in bytes: it travels in a cookie.
const MAX_LEN: usize = 1_000;

/// A path of this site with its query, or `/` for whatever else was asked for: nobody is sent elsewhere (CWE-601).
pub(super) fn safe(target: Option<&str>) -> &str {
    target.filter(|target| is_local(target)).unwrap_or("/")
}

/// Whether a browser stays on this site: it takes `//host` and `/\host` for another one, and drops tabs and line breaks
/// before it looks (URL Standard, sections 4.4 and 4.5).
pub(super) fn is_local(target: &str) -> bool {
    let graphic = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
    target.starts_with('/')
        && !target.starts_with("//")
        && target.len() <= MAX_LEN
        && target.bytes().all(graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_sent_to_paths_of_this_site_alone() {
        for good in [
            "/",
            "/rooms/7?from=a%20b&x=//y#part",
            "/.//x",
            "/a//b",
            "/@x",
        ] {
            assert_eq!(safe(Some(good)), good);
        }
        let long = format!("/{}", "a".repeat(1_000));
        for bad in [
            "",
            "rooms",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "/a b",
            "/a\r\nset-cookie: x=y",
            "/ä",
            "https://evil.example/",
            "javascript:alert(1)",
            &long,
        ] {
            assert_eq!(safe(Some(bad)), "/", "{bad:?}");
        }
        assert_eq!(safe(None), "/");
    }
}

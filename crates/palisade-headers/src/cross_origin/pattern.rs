use std::fmt;

use http::Method;

/// Requests that a guard lets pass: `[METHOD ][HOST]/[PATH]`, as Go's `http.ServeMux` writes patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    method: Option<Method>,
    host: Option<Box<str>>,
    segments: Vec<Segment>,
    end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// `{name}`: one segment, whatever it is.
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nothing follows.
    Exact,
    /// A slash follows, and nothing behind it: `/{$}`.
    Slash,
    /// Anything may follow a slash: a pattern that ends with `/` or `/{name...}`.
    Rest,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (method, rest) = match text.split_once([' ', '\t']) {
            Some((method, rest)) => {
                let method = Method::from_bytes(method.as_bytes())
                    .map_err(|_| "has a method that is not one")?;
                (Some(method), rest.trim_start_matches([' ', '\t']))
            }
            None => (None, text),
        };
        let slash = rest.find('/').ok_or("has no path")?;
        let (host, path) = rest.split_at(slash);
        if host.contains(['{', '}', ' ']) {
            return Err("has a wildcard or a space in its host");
        }
        let mut segments = Vec::new();
        let mut end = End::Exact;
        let mut parts = path[1..].split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            match part {
                "" if last => end = End::Rest,
                "{$}" if last => end = End::Slash,
                _ if last && is_wildcard(part, "...}") => end = End::Rest,
                _ if is_wildcard(part, "}") => segments.push(Segment::Any),
                _ if part.contains(['{', '}']) => {
                    return Err("has a wildcard that is not a whole segment");
                }
                "" | "." | ".." => return Err("has an empty, '.' or '..' segment"),
                _ if !is_plain(part) => {
                    return Err("has a path with characters that must be encoded, or are");
                }
                _ => segments.push(Segment::Literal(part.into())),
            }
        }
        Ok(Self {
            method,
            host: (!host.is_empty()).then(|| host.to_ascii_lowercase().into()),
            segments,
            end,
        })
    }

    /// Whether a request matches.
    ///
    /// A path that servers read in more than one way matches nothing: with `..`, empty segments, backslashes, or encoded
    /// dots and slashes in it. Otherwise `/hooks/../transfer` would pass as a hook and be routed as a transfer.
    pub(super) fn matches(&self, method: &Method, host: &str, path: &str) -> bool {
        let fits_method = self.method.as_ref().is_none_or(|known| known == method);
        let fits_host = self.host.as_ref().is_none_or(|known| **known == *host);
        fits_method && fits_host && is_unambiguous(path) && self.matches_path(path)
    }

    fn matches_path(&self, path: &str) -> bool {
        let Some(mut rest) = path.strip_prefix('/') else {
            return false;
        };
        for (at, segment) in self.segments.iter().enumerate() {
            let last = at + 1 == self.segments.len() && self.end == End::Exact;
            let part = match rest.split_once('/') {
                Some((part, behind)) if !last => {
                    rest = behind;
                    part
                }
                None if last => std::mem::take(&mut rest),
                _ => return false,
            };
            match segment {
                Segment::Literal(known) if **known != *part => return false,
                Segment::Any if part.is_empty() => return false,
                _ => {}
            }
        }
        self.end == End::Rest || rest.is_empty()
    }
}

fn is_wildcard(part: &str, end: &str) -> bool {
    part.strip_prefix('{')
        .and_then(|part| part.strip_suffix(end))
        .is_some_and(|name| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn is_plain(part: &str) -> bool {
    part.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte))
}

fn is_unambiguous(path: &str) -> bool {
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if (segment.is_empty() && !last)
            || segment == "."
            || segment == ".."
            || segment.contains(['\\', '%'])
        {
            return false;
        }
    }
    true
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        f.write_str(self.host.as_deref().unwrap_or_default())?;
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Any => f.write_str("/{}")?,
            }
        }
        f.write_str(match self.end {
            End::Exact => "",
            End::Slash => "/{$}",
            End::Rest => "/",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, method: &str, path: &str) -> bool {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Pattern::parse(pattern)
            .unwrap()
            .matches(&method, "example.com", path)
    }

    // The meanings that the documentation of Go's http.ServeMux gives.
    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, method, path) in [
            ("/", "POST", "/"),
            ("/", "POST", "/anything/below"),
            ("/hooks/", "POST", "/hooks/"),
            ("/hooks/", "POST", "/hooks/a/b"),
            ("/hooks", "POST", "/hooks"),
            ("/hooks/{$}", "POST", "/hooks/"),
            ("/hooks/{id}", "POST", "/hooks/7"),
            ("/hooks/{id}/done", "POST", "/hooks/7/done"),
            ("/hooks/{rest...}", "POST", "/hooks/a/b"),
            ("POST /hooks", "POST", "/hooks"),
            ("example.com/hooks", "POST", "/hooks"),
            ("POST example.com/", "POST", "/x"),
        ] {
            assert!(matches(pattern, method, path), "{pattern} {method} {path}");
        }
        for (pattern, method, path) in [
            ("/hooks/", "POST", "/hooks"),
            ("/hooks", "POST", "/hooks/"),
            ("/hooks", "POST", "/hooksx"),
            ("/hooks", "POST", "/Hooks"),
            ("/hooks/{$}", "POST", "/hooks/a"),
            ("/hooks/{$}", "POST", "/hooks"),
            ("/hooks/{id}", "POST", "/hooks/7/8"),
            ("/hooks/{id}", "POST", "/hooks/"),
            ("/hooks/{id}/done", "POST", "/hooks/7"),
            ("POST /hooks", "PUT", "/hooks"),
            ("other.example/hooks", "POST", "/hooks"),
        ] {
            assert!(!matches(pattern, method, path), "{pattern} {method} {path}");
        }
    }

    #[test]
    fn a_path_with_two_meanings_never_passes() {
        for path in [
            "/hooks/../transfer",
            "/hooks/./x",
            "/hooks//transfer",
            "//hooks/x",
            "/hooks/%2e%2e/transfer",
            "/hooks/..%2ftransfer",
            "/hooks/..\\transfer",
            "",
            "*",
        ] {
            assert!(!matches("/hooks/", "POST", path), "{path}");
            assert!(!matches("/hooks/{rest...}", "POST", path), "{path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in [
            "",
            "hooks",
            "POST",
            "P@ST /x",
            "/a/{id",
            "/a/x{id}",
            "/a/{}",
            "/{$}/a",
            "/{a...}/b",
            "/a//b",
            "/a/../b",
            "{h}/x",
            "/a b",
            "/%61",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_wildcard_that_is_part_of_a_segment_is_said_to_be_one() {
        for bad in ["/a/x{id}", "/a/{id", "/a/id}", "/a/{}"] {
            let Err(problem) = Pattern::parse(bad) else {
                panic!("{bad}");
            };
            assert_eq!(
                problem, "has a wildcard that is not a whole segment",
                "{bad}"
            );
        }
    }

    #[test]
    fn a_pattern_is_shown_without_the_names_of_its_wildcards() {
        for (pattern, shown) in [
            ("POST example.com/hooks/{id}", "POST example.com/hooks/{}"),
            ("/hooks/{$}", "/hooks/{$}"),
            ("/hooks/{rest...}", "/hooks/"),
            ("/", "/"),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().to_string(), shown);
        }
    }
}

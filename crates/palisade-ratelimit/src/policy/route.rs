//! Routes: which policy decides about which methods and paths.

use http::Method;
use palisade_core::{Name, Problems, covers_method};

use crate::filter::view::RequestView;

/// Methods and a pattern of paths, with the number of their policy.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// None for all of them.
    methods: Box<[Method]>,
    segments: Box<[Segment]>,
    tail: Tail,
    pub(crate) policy: usize,
}

/// The condition on one segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// This, once it is decoded.
    Literal(Box<[u8]>),
    /// Anything that is not empty.
    One,
}

/// The condition on the rest of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    Nothing,
    /// Nothing, or what lies below.
    Below,
    /// Something that lies below.
    Rest,
}

/// Reads all routes, and reports those that can never decide.
pub(crate) fn compile(
    routes: &[(Box<str>, Name)],
    policy_of: impl Fn(Name) -> Option<usize>,
    problems: &mut Problems,
) -> Box<[Route]> {
    let mut compiled: Vec<(&str, Route)> = Vec::with_capacity(routes.len());
    for (text, name) in routes {
        let policy = policy_of(*name);
        if policy.is_none() {
            problems.push(
                format!("route {text:?}"),
                format!("there is no policy named {name:?}"),
            );
        }
        let route = match Route::parse(text, policy.unwrap_or(0)) {
            Ok(route) => route,
            Err(part) => {
                problems.append("", part);
                continue;
            }
        };
        let covering = compiled
            .iter()
            .find(|(_, earlier)| earlier.policy != route.policy && earlier.covers(&route));
        if let Some((earlier, _)) = covering {
            problems.push(
                format!("route {text:?}"),
                format!("never decides, because {earlier:?} comes before it"),
            );
        }
        compiled.push((text, route));
    }
    compiled.into_iter().map(|(_, route)| route).collect()
}

impl Route {
    /// Reads `POST /auth/token`, `/auth/token`, `PUT|PATCH /users/{id}`, `GET /files/*` or `GET /files/{*rest}`.
    fn parse(text: &str, policy: usize) -> Result<Self, Problems> {
        let bad = |reason: &str| Problems::one(format!("route {text:?}"), reason);
        let (methods, path) = match text.trim().split_once(' ') {
            Some((methods, path)) => (methods, path.trim()),
            None => ("*", text.trim()),
        };
        let Some(path) = path.strip_prefix('/') else {
            return Err(bad(
                "must be a path, or a method and a path, such as `POST /auth/token`",
            ));
        };
        if path.contains(['?', '#']) {
            return Err(bad("must be a path alone, without a query or a fragment"));
        }
        if path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(bad("has a space in its path, which is written `%20`"));
        }
        let mut segments: Vec<&str> = path.split('/').collect();
        let tail = match segments.last() {
            Some(&"*") => Tail::Below,
            Some(last) if last.starts_with("{*") && is_name(&last[2..]) => Tail::Rest,
            _ => Tail::Nothing,
        };
        if tail != Tail::Nothing {
            segments.pop();
        }
        let segments: Result<_, _> = segments.into_iter().map(Segment::parse).collect();
        Ok(Self {
            methods: methods_of(methods).map_err(bad)?,
            segments: segments.map_err(bad)?,
            tail,
            policy,
        })
    }

    #[inline]
    pub(crate) fn matches(&self, view: &RequestView<'_>) -> bool {
        self.has_method(view.method()) && self.matches_path(view.path())
    }

    #[inline]
    fn has_method(&self, method: &Method) -> bool {
        let mut methods = self.methods.iter();
        self.methods.is_empty() || methods.any(|own| covers_method(own, method))
    }

    fn matches_path(&self, path: &str) -> bool {
        let mut rest = path.as_bytes();
        for segment in &self.segments {
            let Some((b'/', below)) = rest.split_first() else {
                return false;
            };
            let end = below.iter().position(|byte| *byte == b'/');
            let (own, others) = below.split_at(end.unwrap_or(below.len()));
            if !segment.matches(own) {
                return false;
            }
            rest = others;
        }
        match self.tail {
            Tail::Nothing => rest.is_empty(),
            Tail::Below => rest.first().is_none_or(|first| *first == b'/'),
            Tail::Rest => rest.len() > 1,
        }
    }

    /// Whether every request of the other route is one of this.
    fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || !other.methods.is_empty() && other.methods.iter().all(|own| self.has_method(own));
        if !methods || self.segments.len() > other.segments.len() {
            return false;
        }
        let mut pairs = self.segments.iter().zip(&other.segments);
        let beyond = &other.segments[self.segments.len()..];
        let tail = match self.tail {
            Tail::Nothing => beyond.is_empty() && other.tail == Tail::Nothing,
            Tail::Below => true,
            // Behind one empty segment, as behind none, there may be nothing.
            Tail::Rest => match beyond {
                [] => other.tail == Tail::Rest,
                [Segment::Literal(text)] if text.is_empty() => other.tail == Tail::Rest,
                _ => true,
            },
        };
        tail && pairs.all(|(own, other)| match (own, other) {
            (Segment::One, Segment::Literal(text)) => !text.is_empty(),
            (own, other) => own == other,
        })
    }
}

/// `*`, or methods with `|` between them.
fn methods_of(text: &str) -> Result<Box<[Method]>, &'static str> {
    if text == "*" {
        return Ok(Box::default());
    }
    let each = text.split('|').map(|method| {
        if method.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err("has a method in lower case, which no request has");
        }
        method
            .parse()
            .map_err(|_| "does not begin with a method, or several with `|` between them")
    });
    each.collect()
}

impl Segment {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(name) = text.strip_prefix('{')
            && is_name(name)
        {
            return Ok(Self::One);
        }
        if text.contains(['{', '}']) {
            return Err(
                "may have braces only around a whole segment, `{id}`, or the last, `{*rest}`",
            );
        }
        if text.starts_with(':') {
            return Err(
                "has a segment that begins with `:`; one that may be anything is written `{id}`",
            );
        }
        if text.contains('*') {
            return Err("may have a `*` only as its last segment");
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((byte, others)) = decoded(rest) {
            if byte == b'%' && others.len() + 1 == rest.len() {
                return Err("has a `%` without two digits behind it");
            }
            bytes.push(byte);
            rest = others;
        }
        Ok(Self::Literal(bytes.into()))
    }

    fn matches(&self, mut raw: &[u8]) -> bool {
        match self {
            Self::One => !raw.is_empty(),
            // Mostly nothing is encoded.
            Self::Literal(text) if **text == *raw => true,
            Self::Literal(text) => {
                raw.contains(&b'%')
                    && text.iter().all(|own| match decoded(raw) {
                        Some((byte, others)) => {
                            raw = others;
                            byte == *own
                        }
                        None => false,
                    })
                    && raw.is_empty()
            }
        }
    }
}

/// The rest of `{name}` behind the first brace.
fn is_name(text: &str) -> bool {
    let name = text.strip_suffix('}').unwrap_or_default();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(is_word)
}

/// The first byte, decoded where it is encoded (RFC 3986, section 2.1), and what comes behind it.
fn decoded(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    if let [b'%', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        return Some((high << 4 | low, rest));
    }
    bytes.split_first().map(|(first, rest)| (*first, rest))
}

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use palisade_core::Problems;

use super::source::Source;
use super::words::{Sandbox, TrustedTypes};
use crate::HeadersError;

/// A `Content-Security-Policy` (CSP Level 3), built from types: a misplaced quote cannot be written.
///
/// What a directive cannot hold, such as a nonce in `frame-ancestors`, is left out, which allows less and never more.
/// [`try_build`](Self::try_build) reports it; a layer that gets such a policy warns of it through `tracing`.
///
/// # Example
///
/// ```
/// use palisade_headers::security::{Csp, Source};
///
/// let policy = Csp::new()
///     .default_src([Source::None])
///     .script_src([Source::SelfOrigin, Source::host("https://cdn.example")?])
///     .frame_ancestors([Source::None]);
/// assert_eq!(
///     policy.to_string(),
///     "default-src 'none'; script-src 'self' https://cdn.example; frame-ancestors 'none'",
/// );
/// # Ok::<(), palisade_headers::HeadersError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Csp {
    entries: Vec<Entry>,
    problems: Problems,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: Cow<'static, str>,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Sources(Vec<Source>),
    Text(String),
}

macro_rules! directives {
    ($($(#[$of_word:meta])* $variant:ident = $word:literal, $setter:ident;)+) => {
        /// A directive whose value is a list of sources (CSP Level 3, section 6).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Directive {
            $($(#[$of_word])* $variant,)+
        }

        impl Directive {
            const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name of the directive.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Csp {
            $(
                $(#[$of_word])*
                #[must_use]
                pub fn $setter(self, sources: impl IntoIterator<Item = Source>) -> Self {
                    self.directive(Directive::$variant, sources)
                }
            )+
        }
    };
}

directives! {
    /// The default for every kind of resource without a directive of its own.
    Default = "default-src", default_src;
    /// Scripts.
    Script = "script-src", script_src;
    /// `<script>` elements alone.
    ScriptElem = "script-src-elem", script_src_elem;
    /// Inline event handlers alone.
    ScriptAttr = "script-src-attr", script_src_attr;
    /// Styles.
    Style = "style-src", style_src;
    /// `<style>` and style sheets alone.
    StyleElem = "style-src-elem", style_src_elem;
    /// Style attributes alone.
    StyleAttr = "style-src-attr", style_src_attr;
    /// Images and icons.
    Img = "img-src", img_src;
    /// Fonts.
    Font = "font-src", font_src;
    /// Connections of scripts: fetch, WebSocket, server-sent events, beacons.
    Connect = "connect-src", connect_src;
    /// Sound and video.
    Media = "media-src", media_src;
    /// `<object>` and `<embed>`.
    Object = "object-src", object_src;
    /// Pages in frames of the page.
    Frame = "frame-src", frame_src;
    /// Frames and workers, in CSP level 2.
    Child = "child-src", child_src;
    /// Workers.
    Worker = "worker-src", worker_src;
    /// The manifest of a web application.
    Manifest = "manifest-src", manifest_src;
    /// Addresses that `<base>` may set. `default-src` does not stand in for it.
    BaseUri = "base-uri", base_uri;
    /// Targets of forms. `default-src` does not stand in for it.
    FormAction = "form-action", form_action;
    /// Pages that may show this one in a frame: `'none'`, `'self'`, schemes and hosts alone (CSP Level 3, section 6.4.2).
    /// `default-src` does not stand in for it.
    FrameAncestors = "frame-ancestors", frame_ancestors;
}

impl Csp {
    /// A policy without directives, which allows everything.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            problems: Problems::none(),
        }
    }

    /// The policy, if nothing was left out of it.
    ///
    /// # Errors
    ///
    /// Names every mistake: sources that a directive cannot hold, names of endpoints and of trusted types, addresses
    /// and directives that could not stand in a policy.
    pub fn try_build(self) -> Result<Self, HeadersError> {
        match self.problems.is_empty() {
            true => Ok(self),
            false => Err(HeadersError::Security(self.problems)),
        }
    }

    /// Sets the sources of a directive; no source at all means `'none'`. A later call replaces an earlier one, because
    /// browsers read the first of two equal directives and ignore the other.
    #[must_use]
    pub fn directive(
        mut self,
        directive: Directive,
        sources: impl IntoIterator<Item = Source>,
    ) -> Self {
        let mut sources: Vec<Source> = sources.into_iter().collect();
        if directive == Directive::FrameAncestors {
            let before = sources.len();
            sources.retain(Source::is_ancestor);
            if sources.len() < before {
                self.problem(
                    directive.as_str(),
                    "takes 'none', 'self', schemes and hosts alone",
                );
            }
        }
        self.set(directive.as_str(), Value::Sources(sources))
    }

    /// Sets a directive that has no setter here, such as `fenced-frame-src` or one that is new.
    ///
    /// A value with a nonce is a mistake, as it would be the same on every response, and so is the name of a directive
    /// that has a setter.
    #[must_use]
    pub fn raw(mut self, name: &str, value: &str) -> Self {
        match check_raw(name, value) {
            Ok(()) => self.set(
                name.to_ascii_lowercase(),
                Value::Text(value.trim().to_owned()),
            ),
            Err(reason) => {
                self.problem(&format!("directive {name:?}"), reason);
                self
            }
        }
    }

    /// Loads over HTTPS what the page asks for over HTTP.
    #[must_use]
    pub fn upgrade_insecure_requests(self) -> Self {
        self.set("upgrade-insecure-requests", Value::Text(String::new()))
    }

    /// Treats the page as if it came from nowhere, but for what `allowed` names.
    #[must_use]
    pub fn sandbox(self, allowed: impl IntoIterator<Item = Sandbox>) -> Self {
        let words: Vec<_> = allowed.into_iter().map(Sandbox::as_str).collect();
        self.set("sandbox", Value::Text(words.join(" ")))
    }

    /// Lets only values of trusted types into the places from which the DOM runs scripts.
    #[must_use]
    pub fn require_trusted_types(self) -> Self {
        self.set(
            "require-trusted-types-for",
            Value::Text("'script'".to_owned()),
        )
    }

    /// Lets scripts make these policies of trusted types; none at all means `'none'`.
    #[must_use]
    pub fn trusted_types<'a>(
        mut self,
        allowed: impl IntoIterator<Item = TrustedTypes<'a>>,
    ) -> Self {
        let mut words = Vec::new();
        for allowed in allowed {
            match allowed.word() {
                Some(word) => words.push(word.to_owned()),
                None => self.problem("trusted-types", "has a name that is not one of a policy"),
            }
        }
        if words.is_empty() {
            words.push("'none'".to_owned());
        }
        self.set("trusted-types", Value::Text(words.join(" ")))
    }

    /// Sends reports of violations to an endpoint that [`ReportingEndpoints`](super::ReportingEndpoints) names: a key of
    /// structured fields (RFC 9651, section 3.1.2), so in lower case.
    #[must_use]
    pub fn report_to(mut self, endpoint: &str) -> Self {
        if super::reporting::is_key(endpoint) {
            return self.set("report-to", Value::Text(endpoint.to_owned()));
        }
        self.problem(
            &format!("report-to {endpoint:?}"),
            "is not a key: a-z or '*' first, then a-z, 0-9, '_', '-', '.' and '*'",
        );
        self
    }

    /// Sends reports of violations to this address, `https://` or a path, as Firefox and Safari expect it. Browsers that
    /// know `report-to` ignore it beside that (CSP Level 3, section 6.5.1).
    #[must_use]
    pub fn report_uri(mut self, address: &str) -> Self {
        match super::reporting::check_address(address) {
            Ok(()) if !address.contains([';', ',']) => {
                self.set("report-uri", Value::Text(address.to_owned()))
            }
            Ok(()) => {
                self.problem(
                    "report-uri",
                    "has an address with ';' or ',', which end it; write %3B and %2C",
                );
                self
            }
            Err(reason) => {
                self.problem("report-uri", reason);
                self
            }
        }
    }

    fn set(mut self, name: impl Into<Cow<'static, str>>, value: Value) -> Self {
        let name = name.into();
        match self.entries.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => entry.value = value,
            None => self.entries.push(Entry { name, value }),
        }
        self
    }

    fn problem(&mut self, place: &str, reason: &str) {
        self.problems.push(format!("csp {place}"), reason);
    }

    pub(super) const fn problems(&self) -> &Problems {
        &self.problems
    }

    /// The policy split where the nonce belongs: one text more than there are nonces.
    pub(super) fn around_nonce(&self) -> Vec<String> {
        let mut texts = vec![String::new()];
        for (at, entry) in self.entries.iter().enumerate() {
            let last = texts.len() - 1;
            let text = &mut texts[last];
            if at > 0 {
                text.push_str("; ");
            }
            text.push_str(&entry.name);
            match &entry.value {
                Value::Text(value) if value.is_empty() => {}
                Value::Text(value) => {
                    text.push(' ');
                    text.push_str(value);
                }
                Value::Sources(sources) => write_sources(sources, &mut texts),
            }
        }
        texts
    }

    /// The same policy for a response in which nobody read the nonce: where a directive relied on it, nothing inline is
    /// allowed, and nothing that a trusted script would have loaded.
    pub(super) fn without_nonce(&self) -> Self {
        let mut policy = self.clone();
        for entry in &mut policy.entries {
            let Value::Sources(sources) = &mut entry.value else {
                continue;
            };
            if !sources.contains(&Source::Nonce) {
                continue;
            }
            // What has no effect beside a nonce, or beside `'strict-dynamic'`, must not gain one by its absence.
            let dynamic = sources.contains(&Source::StrictDynamic);
            let hashes = sources.iter().any(Source::is_hash);
            sources.retain(|source| match source {
                Source::Nonce | Source::UnsafeInline => false,
                Source::StrictDynamic => hashes,
                Source::SelfOrigin
                | Source::Any
                | Source::Scheme(_)
                | Source::OtherScheme(_)
                | Source::Host(_) => !dynamic,
                _ => true,
            });
        }
        policy
    }
}

fn check_raw(name: &str, value: &str) -> Result<(), &'static str> {
    /// Those of the setters whose value is no list of sources.
    const OTHERS: [&str; 6] = [
        "report-to",
        "report-uri",
        "require-trusted-types-for",
        "sandbox",
        "trusted-types",
        "upgrade-insecure-requests",
    ];
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if name.is_empty() || !name.bytes().all(in_name) {
        return Err("has a name of other than letters, digits and '-'");
    }
    let known = Directive::ALL.iter().map(|known| known.as_str());
    if known
        .chain(OTHERS)
        .any(|known| known.eq_ignore_ascii_case(name))
    {
        return Err("has a setter of its own, which places the quotes");
    }
    let in_value = |byte: u8| matches!(byte, b' '..=b'~') && !b";,".contains(&byte);
    if !value.bytes().all(in_value) {
        return Err("has a value with ';' or ',', which end it, or with other than visible ASCII");
    }
    if value.to_ascii_lowercase().contains("'nonce-") {
        return Err("has a nonce, which would be the same on every response");
    }
    Ok(())
}

fn write_sources(sources: &[Source], texts: &mut Vec<String>) {
    let mut listed = sources
        .iter()
        .filter(|source| **source != Source::None)
        .peekable();
    if listed.peek().is_none() {
        texts
            .last_mut()
            .into_iter()
            .for_each(|text| text.push_str(" 'none'"));
    }
    for source in listed {
        let Some(text) = texts.last_mut() else { return };
        text.push(' ');
        if *source == Source::Nonce {
            text.push_str("'nonce-");
            texts.push("'".to_owned());
        } else {
            source.write(text);
        }
    }
}

impl std::fmt::Display for Csp {
    /// The policy, with `...` in the place of each nonce.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.around_nonce().join("..."))
    }
}

use http::{HeaderName, HeaderValue, header};

use super::source::Source;

/// A `Content-Security-Policy` (CSP Level 3), built from types: a misplaced quote cannot be written.
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
pub struct Csp(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    name: &'static str,
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
    /// What holds for every kind of resource without a directive of its own.
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
    /// What scripts connect to: fetch, WebSocket, server-sent events, beacons.
    Connect = "connect-src", connect_src;
    /// Sound and video.
    Media = "media-src", media_src;
    /// `<object>` and `<embed>`.
    Object = "object-src", object_src;
    /// What the page shows in frames.
    Frame = "frame-src", frame_src;
    /// Frames and workers, in CSP level 2.
    Child = "child-src", child_src;
    /// Workers.
    Worker = "worker-src", worker_src;
    /// The manifest of a web application.
    Manifest = "manifest-src", manifest_src;
    /// What `<base>` may say. `default-src` does not stand in for it.
    BaseUri = "base-uri", base_uri;
    /// Where forms may go. `default-src` does not stand in for it.
    FormAction = "form-action", form_action;
    /// Who may show the page in a frame. `default-src` does not stand in for it.
    FrameAncestors = "frame-ancestors", frame_ancestors;
}

/// What a sandboxed page may do nonetheless (HTML, section 7.1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sandbox {
    /// `allow-downloads`
    Downloads,
    /// `allow-forms`
    Forms,
    /// `allow-modals`
    Modals,
    /// `allow-popups`
    Popups,
    /// `allow-same-origin`: the page keeps its origin. Together with scripts it can leave its sandbox.
    SameOrigin,
    /// `allow-scripts`
    Scripts,
}

impl Sandbox {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Downloads => "allow-downloads",
            Self::Forms => "allow-forms",
            Self::Modals => "allow-modals",
            Self::Popups => "allow-popups",
            Self::SameOrigin => "allow-same-origin",
            Self::Scripts => "allow-scripts",
        }
    }
}

impl Csp {
    /// A policy without directives, which allows everything.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets the sources of a directive; no source at all means `'none'`. A later call replaces an earlier one, because
    /// browsers read the first of two equal directives and ignore the other.
    #[must_use]
    pub fn directive(
        self,
        directive: Directive,
        sources: impl IntoIterator<Item = Source>,
    ) -> Self {
        let sources = sources.into_iter().collect();
        self.set(directive.as_str(), Value::Sources(sources))
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

    /// Sends reports of violations to an endpoint that [`ReportingEndpoints`](super::ReportingEndpoints) names.
    ///
    /// A name that could not stand in that header is left out.
    #[must_use]
    pub fn report_to(self, endpoint: &str) -> Self {
        if super::reporting::is_key(endpoint) {
            self.set("report-to", Value::Text(endpoint.to_owned()))
        } else {
            self
        }
    }

    fn set(mut self, name: &'static str, value: Value) -> Self {
        match self.0.iter_mut().find(|entry| entry.name == name) {
            Some(entry) => entry.value = value,
            None => self.0.push(Entry { name, value }),
        }
        self
    }

    /// The policy split where the nonce belongs: one text more than there are nonces.
    fn around_nonce(&self) -> Vec<String> {
        let mut texts = vec![String::new()];
        for (at, entry) in self.0.iter().enumerate() {
            let last = texts.len() - 1;
            let text = &mut texts[last];
            if at > 0 {
                text.push_str("; ");
            }
            text.push_str(entry.name);
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
    fn without_nonce(&self) -> Self {
        let mut policy = self.clone();
        for entry in &mut policy.0 {
            let Value::Sources(sources) = &mut entry.value else {
                continue;
            };
            if !sources.contains(&Source::Nonce) {
                continue;
            }
            // What has no effect beside a nonce, or beside `'strict-dynamic'`, must not gain one by its absence.
            let dynamic = sources.contains(&Source::StrictDynamic);
            let hashes = sources
                .iter()
                .any(|source| matches!(source, Source::Sha256(_)));
            sources.retain(|source| match source {
                Source::Nonce | Source::UnsafeInline => false,
                Source::StrictDynamic => hashes,
                Source::SelfOrigin | Source::Scheme(_) | Source::Host(_) => !dynamic,
                _ => true,
            });
        }
        policy
    }
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

/// A policy made ready for sending.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    pub(super) name: HeaderName,
    /// What is sent when there is no nonce, or nobody read it.
    pub(super) fixed: HeaderValue,
    /// The texts around the nonce, where the policy has one.
    around: Option<Vec<Box<str>>>,
}

impl Prepared {
    pub(super) fn enforced(policy: &Csp) -> Self {
        Self::new(header::CONTENT_SECURITY_POLICY, policy)
    }

    pub(super) fn reported(policy: &Csp) -> Self {
        Self::new(header::CONTENT_SECURITY_POLICY_REPORT_ONLY, policy)
    }

    fn new(name: HeaderName, policy: &Csp) -> Self {
        let around = policy.around_nonce();
        let fixed = policy.without_nonce().to_string();
        Self {
            name,
            // Every word of a policy is visible ASCII.
            fixed: HeaderValue::from_str(&fixed)
                .unwrap_or(HeaderValue::from_static("default-src 'none'")),
            around: (around.len() > 1).then(|| around.into_iter().map(Into::into).collect()),
        }
    }

    pub(super) const fn has_nonce(&self) -> bool {
        self.around.is_some()
    }

    /// The policy with this nonce in it.
    pub(super) fn with_nonce(&self, nonce: &str) -> Option<HeaderValue> {
        let around = self.around.as_ref()?;
        let texts: usize = around.iter().map(|text| text.len()).sum();
        let mut value = Vec::with_capacity(texts + nonce.len() * (around.len() - 1));
        for (at, text) in around.iter().enumerate() {
            if at > 0 {
                value.extend_from_slice(nonce.as_bytes());
            }
            value.extend_from_slice(text.as_bytes());
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(value)).ok()
    }
}

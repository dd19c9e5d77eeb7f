//! Headers whose value is one word out of a few.

use http::HeaderValue;

macro_rules! words {
    ($(#[$of_type:meta])* $name:ident { $($(#[$of_word:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$of_type])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(rename_all = "kebab-case"))]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of_word])* $variant,)+
        }

        impl $name {
            /// The value of the header.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl From<$name> for HeaderValue {
            fn from(word: $name) -> Self {
                Self::from_static(word.as_str())
            }
        }
    };
}

words! {
    /// `X-Frame-Options` (RFC 7034): who may show the response in a frame. Browsers that know the CSP directive
    /// `frame-ancestors` ignore it.
    FrameOptions {
        /// Nobody.
        Deny = "DENY",
        /// Pages of the same origin.
        SameOrigin = "SAMEORIGIN",
    }
}

words! {
    /// `Referrer-Policy` (W3C Referrer Policy, section 3): what a link or a subresource tells its target about where it
    /// came from.
    ReferrerPolicy {
        /// Nothing at all.
        NoReferrer = "no-referrer",
        /// The full address, but nothing from HTTPS to HTTP.
        NoReferrerWhenDowngrade = "no-referrer-when-downgrade",
        /// The origin.
        Origin = "origin",
        /// The full address to the same origin, the origin to others.
        OriginWhenCrossOrigin = "origin-when-cross-origin",
        /// The full address to the same origin, nothing to others.
        SameOrigin = "same-origin",
        /// The origin, but nothing from HTTPS to HTTP.
        StrictOrigin = "strict-origin",
        /// The full address to the same origin, the origin to others, nothing from HTTPS to HTTP. What browsers do
        /// without the header.
        StrictOriginWhenCrossOrigin = "strict-origin-when-cross-origin",
    }
}

words! {
    /// `Cross-Origin-Opener-Policy` (HTML, section 7.1.3): whether a page shares its browsing context group with pages
    /// that it opens, or that open it.
    OpenerPolicy {
        /// With everybody: the policy of browsers without the header.
        UnsafeNone = "unsafe-none",
        /// With the same origin, and with what it opens.
        SameOriginAllowPopups = "same-origin-allow-popups",
        /// With the same origin alone.
        SameOrigin = "same-origin",
        /// With nobody that navigates to it.
        NoopenerAllowPopups = "noopener-allow-popups",
    }
}

words! {
    /// `Cross-Origin-Embedder-Policy` (HTML, section 7.1.4): what a page may embed.
    EmbedderPolicy {
        /// Everything: the policy of browsers without the header.
        UnsafeNone = "unsafe-none",
        /// Resources that allow it by `Cross-Origin-Resource-Policy` or CORS.
        RequireCorp = "require-corp",
        /// Everything, but foreign resources are asked for without cookies.
        Credentialless = "credentialless",
    }
}

words! {
    /// `Cross-Origin-Resource-Policy` (Fetch, section 3.7): whose pages may embed the response without CORS.
    ResourcePolicy {
        /// The same origin's.
        SameOrigin = "same-origin",
        /// The same site's.
        SameSite = "same-site",
        /// Everybody's.
        CrossOrigin = "cross-origin",
    }
}

/// `X-XSS-Protection`: the switch of a filter that browsers once had.
///
/// The filter guessed which part of a page had been injected and cut it out. It could be made to cut out the *good*
/// script of a page, and `mode=block` told attackers what a page of another origin holds. Chromium, Edge and Safari
/// removed it, and Firefox never had it. So the right value switches it off in the few old browsers that still have it;
/// what it promised is the work of `Content-Security-Policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum XssProtection {
    /// `0`: the filter is off. The default.
    #[default]
    Disabled,
    /// `1; mode=block`: for auditors whose checklists still ask for it.
    LegacyBlock,
    /// No header at all.
    Omit,
}

impl XssProtection {
    /// The value of the header, if there is to be one.
    #[must_use]
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Disabled => Some("0"),
            Self::LegacyBlock => Some("1; mode=block"),
            Self::Omit => None,
        }
    }
}

/// The responses that get `Cache-Control: no-store` (RFC 9111, section 5.2.2.5), where the handler said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum NoStore {
    /// None: caching is the handler's business. The default.
    #[default]
    Never,
    /// Those to a request with `Authorization` or `Cookie`, or that a layer has found a principal for. Shared
    /// computers then keep nothing of a session that ended.
    Authenticated,
    /// All of them.
    Always,
}

/// `Clear-Site-Data` (W3C Clear Site Data, section 3.1): what a browser forgets of this origin, as after a sign-out.
///
/// # Example
///
/// ```
/// use palisade_headers::security::ClearSiteData;
///
/// assert_eq!(ClearSiteData::all().value(), r#""cache","cookies","storage""#);
/// assert_eq!(ClearSiteData::none().cookies().storage().value(), r#""cookies","storage""#);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClearSiteData {
    cache: bool,
    cookies: bool,
    storage: bool,
}

impl ClearSiteData {
    /// Nothing yet.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            cache: false,
            cookies: false,
            storage: false,
        }
    }

    /// Cache, cookies and storage: right for the answer to a sign-out.
    #[must_use]
    pub const fn all() -> Self {
        Self::none().cache().cookies().storage()
    }

    /// The cache.
    #[must_use]
    pub const fn cache(mut self) -> Self {
        self.cache = true;
        self
    }

    /// Cookies of the registrable domain, and HTTP credentials.
    #[must_use]
    pub const fn cookies(mut self) -> Self {
        self.cookies = true;
        self
    }

    /// Local and session storage, databases and service workers.
    #[must_use]
    pub const fn storage(mut self) -> Self {
        self.storage = true;
        self
    }

    /// The value of the header.
    #[must_use]
    pub const fn value(self) -> HeaderValue {
        HeaderValue::from_static(match (self.cache, self.cookies, self.storage) {
            (true, true, true) => r#""cache","cookies","storage""#,
            (true, true, false) => r#""cache","cookies""#,
            (true, false, true) => r#""cache","storage""#,
            (true, false, false) => r#""cache""#,
            (false, true, true) => r#""cookies","storage""#,
            (false, true, false) => r#""cookies""#,
            (false, false, true) => r#""storage""#,
            (false, false, false) => "",
        })
    }
}

use palisade_core::{Handle, Problems};

use crate::HeadersError;

/// Adds `Secure`, `HttpOnly` and `SameSite` to the cookies that handlers set; see [the rules](crate::cookies).
///
/// # Example
///
/// ```
/// use palisade_headers::CookieLayer;
/// use tower::{Layer, ServiceExt};
///
/// # tokio_test::block_on(async {
/// let service = CookieLayer::new().layer(tower::service_fn(|_: http::Request<()>| async {
///     http::Response::builder()
///         .header("set-cookie", "theme=dark; Path=/")
///         .body(http_body_util::Empty::<bytes::Bytes>::new())
/// }));
/// let response = service.oneshot(http::Request::new(())).await?;
/// assert_eq!(response.headers()["set-cookie"], "theme=dark; Path=/; Secure; HttpOnly; SameSite=Lax");
/// # Ok::<(), http::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it wraps a service"]
pub struct CookieLayer(pub(super) Option<Handle<Rules>>);

#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) same_site: SameSite,
    pub(super) scripts_read: Vec<Box<[u8]>>,
}

/// The value of `SameSite` that is added: with which requests of other sites a browser sends the cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum SameSite {
    /// With links and other navigations by `GET` alone, the default: a visitor who follows a link stays signed in.
    #[default]
    Lax,
    /// With none.
    Strict,
}

impl CookieLayer {
    /// A layer that adds `Secure`, `HttpOnly` and `SameSite=Lax`.
    pub fn new() -> Self {
        Self(Some(Handle::new(Rules {
            same_site: SameSite::default(),
            scripts_read: Vec::new(),
        })))
    }

    /// Switched off: every cookie stays as it is.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether the layer is switched off.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.0.is_none()
    }

    fn change(self, change: impl FnOnce(&mut Rules)) -> Self {
        Self(self.0.map(|rules| {
            let mut rules = (*rules).clone();
            change(&mut rules);
            Handle::new(rules)
        }))
    }

    /// Sets the `SameSite` that is added to cookies without one; default [`SameSite::Lax`].
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.change(|rules| rules.same_site = same_site)
    }

    /// Adds names of cookies that the page's own scripts read, such as one that is sent back in a header against
    /// forgery: these get no `HttpOnly`. Names count with their case.
    ///
    /// # Errors
    ///
    /// Names every text that is no cookie's name (RFC 6265, section 4.1.1).
    pub fn scripts_read<T: AsRef<str>>(
        self,
        names: impl IntoIterator<Item = T>,
    ) -> Result<Self, HeadersError> {
        let mut problems = Problems::none();
        let mut known: Vec<Box<[u8]>> = Vec::new();
        for name in names {
            let name = name.as_ref();
            match is_token(name) {
                true => known.push(name.as_bytes().into()),
                false => problems.push(format!("cookies {name:?}"), "is not a cookie's name"),
            }
        }
        problems.into_result(()).map_err(HeadersError::Cookies)?;
        Ok(self.change(|rules| rules.scripts_read.extend(known)))
    }

    /// Keeps the rules for the rest of the process; see [`Handle::leak`].
    pub fn leak(self) -> Self {
        Self(self.0.map(Handle::leak))
    }
}

fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

impl Default for CookieLayer {
    fn default() -> Self {
        Self::new()
    }
}

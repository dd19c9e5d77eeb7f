use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderName, header};
use palisade_core::{ClientAddr, ClientIp, Principal, Problems};

use crate::filter::view::RequestView;
use crate::store::digest::{HashedKey, Hasher};

/// The key that is charged, for use without HTTP and by operators.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::Key;
///
/// let account = Key::text("account:alice");
/// let client = Key::ip("203.0.113.7".parse().unwrap());
/// assert_eq!(format!("{account:?} {client:?}"), "Key::text Key::ip", "keys do not show in logs");
/// ```
#[derive(Clone, Copy)]
pub struct Key<'a>(Kind<'a>);

#[derive(Clone, Copy)]
enum Kind<'a> {
    /// The address of a client, whose group depends on who asks.
    Ip(IpAddr),
    /// The first address of a client's group.
    Group(IpAddr),
    Principal {
        issuer: &'a str,
        subject: &'a str,
    },
    Claimed {
        name: &'a str,
        value: &'a [u8],
    },
    Authorization(&'a [u8]),
    Text(&'a str),
}

impl<'a> Key<'a> {
    /// The client at this address: a v6 one together with its /64, or as the
    /// [`client_ip`](crate::RateLimitBuilder::client_ip) of the layer groups addresses that is asked.
    #[must_use]
    pub const fn ip(ip: IpAddr) -> Self {
        Self(Kind::Ip(ip))
    }

    /// The client that this address belongs to, in the group that it names itself.
    #[must_use]
    pub fn client(client: ClientAddr) -> Self {
        Self(Kind::Group(client.group()))
    }

    /// A verified principal, by its issuer and subject.
    #[must_use]
    pub const fn principal(principal: &'a Principal) -> Self {
        Self(Kind::Principal {
            issuer: principal.issuer(),
            subject: principal.subject(),
        })
    }

    /// The value of a header that clients choose themselves; the name in lower case.
    #[must_use]
    pub const fn claimed_header(name: &'a str, value: &'a [u8]) -> Self {
        Self(Kind::Claimed { name, value })
    }

    /// The value of the `authorization` header, which is digested at once.
    #[must_use]
    pub const fn authorization(value: &'a [u8]) -> Self {
        Self(Kind::Authorization(value))
    }

    /// Any other text, such as the name of an account or of a job.
    #[must_use]
    pub const fn text(text: &'a str) -> Self {
        Self(Kind::Text(text))
    }

    /// The first address of the client's group, if the key is an address.
    #[must_use]
    pub fn as_ip(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Ip(ip) => Some(ClientAddr::new(ip).group()),
            Kind::Group(group) => Some(group),
            _ => None,
        }
    }

    /// The same key, of a client in the group that this setting makes.
    pub(crate) fn grouped_by(self, client_ip: &ClientIp) -> Self {
        match self.0 {
            Kind::Ip(ip) => Self::client(client_ip.client(ip)),
            _ => self,
        }
    }

    /// The text of a key that is not an address: the principal's subject, the header's value, or the text itself.
    ///
    /// # Security
    ///
    /// May be a credential: use it to count, and put it nowhere.
    #[must_use]
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match self.0 {
            Kind::Ip(_) | Kind::Group(_) => None,
            Kind::Principal { subject, .. } => Some(subject.as_bytes()),
            Kind::Claimed { value, .. } | Kind::Authorization(value) => Some(value),
            Kind::Text(text) => Some(text.as_bytes()),
        }
    }

    #[inline]
    pub(crate) fn hashed(&self, hasher: &Hasher) -> HashedKey {
        match self.0 {
            Kind::Ip(ip) => hasher.address(ClientAddr::new(ip).group()),
            Kind::Group(group) => hasher.address(group),
            Kind::Principal { issuer, subject } => {
                hasher.text(1, [issuer.as_bytes(), subject.as_bytes()])
            }
            Kind::Claimed { name, value } => hasher.text(2, [name.as_bytes(), value]),
            Kind::Authorization(value) => hasher.text(3, [b"", value]),
            Kind::Text(text) => hasher.text(4, [b"", text.as_bytes()]),
        }
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(text: &'a str) -> Self {
        Self::text(text)
    }
}

impl From<IpAddr> for Key<'_> {
    fn from(ip: IpAddr) -> Self {
        Self::ip(ip)
    }
}

impl<'a> From<&'a Principal> for Key<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self::principal(principal)
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Ip(_) | Kind::Group(_) => "Key::ip",
            Kind::Principal { .. } => "Key::principal",
            Kind::Claimed { .. } => "Key::claimed_header",
            Kind::Authorization(_) => "Key::authorization",
            Kind::Text(_) => "Key::text",
        })
    }
}

/// The sources of a request's key: the first one that answers wins.
///
/// A key that nobody has verified (a header, a credential in front of authentication) is charged to its own limit and to
/// a backstop by address, see [`ip_backstop`](crate::RateLimitBuilder::ip_backstop): otherwise a client would get a fresh
/// limit with every value that it makes up.
///
/// # Example
///
/// ```
/// use palisade_ratelimit::KeyChain;
///
/// let chain = KeyChain::new().principal().claimed_header("x-track-id").authorization().client_ip();
/// # let _ = chain;
/// ```
#[derive(Clone, Default)]
pub struct KeyChain(Vec<Source>);

#[derive(Clone)]
enum Source {
    Principal,
    Claimed(Box<str>),
    Authorization,
    ClientIp,
    Custom(Trust, Arc<ReadKey>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Verified,
    Claimed,
}

type ReadKey = dyn Fn(&RequestView<'_>) -> Option<String> + Send + Sync;

impl KeyChain {
    /// A chain without sources: say at least one.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Then the verified principal, if an authentication layer stands outside this one.
    #[must_use]
    pub fn principal(self) -> Self {
        self.then(Source::Principal)
    }

    /// Then the value of a header that the client chooses, if it is there and not empty.
    #[must_use]
    pub fn claimed_header(self, name: &str) -> Self {
        self.then(Source::Claimed(name.into()))
    }

    /// Then the `authorization` header, as a digest. It has not been verified, and so is a claim.
    #[must_use]
    pub fn authorization(self) -> Self {
        self.then(Source::Authorization)
    }

    /// Then the client's address.
    #[must_use]
    pub fn client_ip(self) -> Self {
        self.then(Source::ClientIp)
    }

    /// Then what this closure answers, which must rest on something verified.
    #[must_use]
    pub fn verified(
        self,
        read: impl Fn(&RequestView<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.then(Source::Custom(Trust::Verified, Arc::new(read)))
    }

    /// Then what this closure answers, which rests on nothing but what the client says.
    #[must_use]
    pub fn claimed(
        self,
        read: impl Fn(&RequestView<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.then(Source::Custom(Trust::Claimed, Arc::new(read)))
    }

    fn then(mut self, source: Source) -> Self {
        self.0.push(source);
        self
    }

    /// The chain with its names checked.
    pub(crate) fn compile(&self) -> Result<Chain, Problems> {
        let mut problems = Problems::none();
        if self.0.is_empty() {
            problems.push("key", "has no source");
        }
        let mut sources = Vec::with_capacity(self.0.len());
        for source in &self.0 {
            sources.push(match source {
                Source::Principal => Reader::Principal,
                Source::Authorization => Reader::Authorization,
                Source::ClientIp => Reader::ClientIp,
                Source::Custom(trust, read) => Reader::Custom(*trust, Arc::clone(read)),
                Source::Claimed(name) => match name.parse() {
                    Ok(name) => Reader::Claimed(name),
                    Err(_) => {
                        problems.push(
                            "key.claimed_header",
                            format!("{name:?} is not the name of a header"),
                        );
                        continue;
                    }
                },
            });
        }
        problems.into_result(Chain(sources.into()))
    }
}

impl fmt::Debug for KeyChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|source| match source {
            Source::Principal => "principal",
            Source::Claimed(name) => name,
            Source::Authorization => "authorization",
            Source::ClientIp => "client_ip",
            Source::Custom(Trust::Verified, _) => "verified",
            Source::Custom(Trust::Claimed, _) => "claimed",
        });
        f.debug_list().entries(names).finish()
    }
}

/// A [`KeyChain`] that is ready to be asked.
#[derive(Clone)]
pub(crate) struct Chain(Box<[Reader]>);

#[derive(Clone)]
enum Reader {
    Principal,
    Claimed(HeaderName),
    Authorization,
    ClientIp,
    Custom(Trust, Arc<ReadKey>),
}

/// The key of a request, and what it rests on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) key: HashedKey,
    /// Whether the key is the client's address.
    pub(crate) is_address: bool,
}

impl Chain {
    /// Whether a key may rest on nothing but what the client says.
    pub(crate) fn has_claims(&self) -> bool {
        self.0.iter().any(|reader| match reader {
            Reader::Claimed(_) | Reader::Authorization | Reader::Custom(Trust::Claimed, _) => true,
            Reader::Principal | Reader::ClientIp | Reader::Custom(Trust::Verified, _) => false,
        })
    }

    /// The client's address, if that is what is asked for first, as in most layers: without the detour through a key of
    /// any kind.
    #[inline]
    pub(crate) fn address(&self, view: &RequestView<'_>, hasher: &Hasher) -> Option<Found> {
        let [Reader::ClientIp, ..] = &*self.0 else {
            return None;
        };
        Some(Found {
            key: hasher.address(view.find_client()?.group()),
            is_address: true,
        })
    }

    /// The first key that there is.
    pub(crate) fn find(&self, view: &RequestView<'_>, hasher: &Hasher) -> Option<Found> {
        self.visit(view, |key, trust| {
            let mut hashed = key.hashed(hasher);
            hashed.claimed = trust == Trust::Claimed;
            Found {
                key: hashed,
                is_address: key.as_ip().is_some(),
            }
        })
    }

    /// Shows the first key that there is to `see`.
    #[inline]
    pub(crate) fn visit<T>(
        &self,
        view: &RequestView<'_>,
        mut see: impl FnMut(Key<'_>, Trust) -> T,
    ) -> Option<T> {
        self.0.iter().find_map(|reader| reader.read(view, &mut see))
    }
}

impl Reader {
    #[inline]
    fn read<T>(
        &self,
        view: &RequestView<'_>,
        see: &mut impl FnMut(Key<'_>, Trust) -> T,
    ) -> Option<T> {
        match self {
            Self::ClientIp => Some(see(Key::client(view.client()?), Trust::Verified)),
            Self::Principal => Some(see(Key::principal(&*view.principal()?), Trust::Verified)),
            Self::Claimed(name) => {
                let value = header(view, name)?;
                Some(see(
                    Key::claimed_header(name.as_str(), value),
                    Trust::Claimed,
                ))
            }
            Self::Authorization => {
                let value = header(view, &header::AUTHORIZATION)?;
                Some(see(Key::authorization(value), Trust::Claimed))
            }
            Self::Custom(trust, read) => Some(see(Key::text(&read(view)?), *trust)),
        }
    }
}

/// The value of a header field that is there and says something.
fn header<'a>(view: &RequestView<'a>, name: &HeaderName) -> Option<&'a [u8]> {
    let value = view.headers().get(name)?.as_bytes();
    (!value.is_empty()).then_some(value)
}

use std::fmt;
use std::net::Ipv6Addr;

use secrecy::{ExposeSecret, SecretString};

use crate::typed::invalid;
use crate::{Error, Secret, Secrets};

/// The address of a database, with the account for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Database {
    /// In one text, with the password in it.
    Url(Secret),
    /// In parts.
    #[non_exhaustive]
    Parts {
        /// The name or address of the host, perhaps with a port after a colon, or the directory of a socket.
        host: Secret,
        /// The port; `None` for the usual one, or the one in `host`.
        port: Option<u16>,
        /// The name of the database.
        name: Secret,
        /// The user.
        user: Secret,
        /// The password.
        password: Secret,
    },
}

impl Secrets {
    /// Reads the address of the database: `DATABASE_URL`, or `DB_HOST`, `DB_NAME`, `DB_USER` and `DB_PASSWORD`, and `DB_PORT` if it is
    /// set.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] with the first name that is not there; [`Error::Invalid`] for a `DB_HOST` that no URL can hold,
    /// a `DB_PORT` that is no port, or a port in both; or as [`secret`](Self::secret).
    pub async fn database(&self) -> Result<Database, Error> {
        match self.secret("DATABASE_URL").await {
            Ok(url) => return Ok(Database::Url(url)),
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        let host = self.secret("DB_HOST").await?;
        let Some(parsed) = Host::of(host.expose_secret()) else {
            let reason = "is not the name or address of a host";
            return Err(invalid("DB_HOST", "value".into(), reason.into()));
        };
        let port = match self.secret("DB_PORT").await {
            Ok(port) => Some(port_of(&port)?),
            Err(Error::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        if port.is_some() && parsed.has_port() {
            let reason = "is set beside a port in DB_HOST";
            return Err(invalid("DB_PORT", "value".into(), reason.into()));
        }
        Ok(Database::Parts {
            port,
            name: self.secret("DB_NAME").await?,
            user: self.secret("DB_USER").await?,
            password: self.secret("DB_PASSWORD").await?,
            host,
        })
    }
}

fn port_of(text: &Secret) -> Result<u16, Error> {
    let port = text.expose_secret().trim().parse::<u16>();
    port.ok().filter(|port| *port > 0).ok_or_else(|| {
        let reason = "is not a number from 1 to 65535";
        invalid("DB_PORT", "value".into(), reason.into())
    })
}

/// A host as a URL wants it (RFC 3986, section 3.2.2).
enum Host<'a> {
    /// In brackets, with a zone percent-encoded (RFC 6874).
    V6(Ipv6Addr, Option<&'a str>),
    /// A name, an IPv4 address, or an IPv6 address in brackets, perhaps with a port.
    AsIs(&'a str),
    /// The directory of a Unix socket, which libpq wants percent-encoded.
    Socket(&'a str),
}

impl<'a> Host<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (address, zone) = match text.split_once('%') {
            Some((address, zone)) => (address, Some(zone)),
            None => (text, None),
        };
        if let Ok(address) = address.parse() {
            return Some(Self::V6(address, zone));
        }
        if text.starts_with('/') {
            return Some(Self::Socket(text));
        }
        // Names, underscores included, brackets, and the colon before a port.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:,".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_plain)).then_some(Self::AsIs(text))
    }

    fn has_port(&self) -> bool {
        match self {
            Self::V6(..) | Self::Socket(_) => false,
            Self::AsIs(text) => {
                let after = text.rsplit_once(']').map_or(*text, |(_, after)| after);
                after.contains(':')
            }
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V6(address, None) => write!(f, "[{address}]"),
            Self::V6(address, Some(zone)) => write!(f, "[{address}%25{}]", Encoded(zone)),
            Self::AsIs(text) => f.write_str(text),
            Self::Socket(path) => Encoded(path).fmt(f),
        }
    }
}

impl Database {
    /// Returns a URL of this scheme, such as `postgres`; one that was given as a URL is returned as it is.
    #[must_use]
    pub fn to_url(&self, scheme: &str) -> SecretString {
        match self {
            Self::Url(url) => url.expose_secret().into(),
            Self::Parts {
                host,
                port,
                name,
                user,
                password,
            } => {
                let [user, password, name] =
                    [user, password, name].map(|part| Encoded(part.expose_secret()));
                // Whatever `database` would have refused still makes a URL.
                let host = match Host::of(host.expose_secret()) {
                    Some(host) => host.to_string(),
                    None => Encoded(host.expose_secret()).to_string(),
                };
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                format!("{scheme}://{user}:{password}@{host}{port}/{name}").into()
            }
        }
    }
}

/// All but the unreserved characters percent-encoded (RFC 3986, section 2.1).
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.bytes().try_for_each(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                write!(f, "{}", char::from(byte))
            } else {
                write!(f, "%{byte:02X}")
            }
        })
    }
}

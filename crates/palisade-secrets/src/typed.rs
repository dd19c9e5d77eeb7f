//! Secrets with a form.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::{Error, Pair, Secret, Secrets};

impl Secrets {
    /// A secret that is JSON, as a type of yours.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret), and [`Error::Invalid`], which names the field and never repeats the value.
    ///
    /// # Example
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), palisade_secrets::Error> {
    /// use palisade_secrets::{EnvVars, Environment, SecretString, Secrets};
    ///
    /// #[derive(Debug, serde::Deserialize)]
    /// struct Smtp {
    ///     host: String,
    ///     password: String,
    /// }
    ///
    /// let variables = EnvVars::from_fn(|_| Some(r#"{"host": "mail", "password": 7}"#.into()));
    /// let secrets = Secrets::builder(Environment::Development).provider(variables).build().await?;
    /// let error = secrets.typed::<Smtp>("SMTP").await.unwrap_err();
    /// assert_eq!(error.to_string(), "secret SMTP: password is not of the type that is wanted");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn typed<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let secret = self.secret(name).await?;
        let mut json = serde_json::Deserializer::from_str(secret.expose_secret());
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let (path, error) = (error.path().to_string(), error.into_inner());
            // Neither its message nor a path into a map of values is repeated: both may quote the secret.
            let reason = match error.classify() {
                serde_json::error::Category::Data => "is not of the type that is wanted".to_owned(),
                _ => format!("is not JSON at column {}", error.column()),
            };
            let field = if path == "." {
                "value".to_owned()
            } else {
                path
            };
            invalid(name, field, reason)
        })?;
        json.end().map_err(|error| {
            invalid(
                name,
                "value".into(),
                format!("goes on at column {}", error.column()),
            )
        })?;
        Ok(value)
    }

    /// Where the database is: `DATABASE_URL`, or `DB_HOST`, `DB_NAME`, `DB_USER` and `DB_PASSWORD`.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] with the first name that is not there, or as [`secret`](Self::secret).
    pub async fn database(&self) -> Result<Database, Error> {
        match self.secret("DATABASE_URL").await {
            Ok(url) => return Ok(Database::Url(url)),
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(Database::Parts {
            host: self.secret("DB_HOST").await?,
            name: self.secret("DB_NAME").await?,
            user: self.secret("DB_USER").await?,
            password: self.secret("DB_PASSWORD").await?,
        })
    }

    /// `ENCRYPTION_KEY` and the one before it.
    ///
    /// # Errors
    ///
    /// As [`pair`](Self::pair).
    pub async fn encryption_key(&self) -> Result<Pair, Error> {
        self.pair("ENCRYPTION_KEY").await
    }

    /// The keys in `API_KEYS`, separated by commas, without the white space around them.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret); [`Error::Invalid`] when one is empty or there twice.
    pub async fn api_keys(&self) -> Result<Vec<SecretString>, Error> {
        let secret = self.secret("API_KEYS").await?;
        let keys: Vec<&str> = secret.expose_secret().split(',').map(str::trim).collect();
        for (position, key) in keys.iter().enumerate() {
            let reason = if key.is_empty() {
                "is empty"
            } else if keys[..position].contains(key) {
                "is there twice"
            } else {
                continue;
            };
            return Err(invalid(
                "API_KEYS",
                format!("key {position}"),
                reason.into(),
            ));
        }
        Ok(keys.into_iter().map(SecretString::from).collect())
    }
}

fn invalid(name: &str, field: String, reason: String) -> Error {
    Error::Invalid {
        name: name.into(),
        field,
        reason,
    }
}

/// Where a database is, and how to sign in there.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Database {
    /// In one text, with the password in it.
    Url(Secret),
    /// In parts.
    Parts {
        /// The host, with the port if it is not the usual one.
        host: Secret,
        /// The name of the database.
        name: Secret,
        /// The user.
        user: Secret,
        /// The password.
        password: Secret,
    },
}

impl Database {
    /// As a URL of this scheme, such as `postgres`; one that was given as a URL is returned as it is.
    #[must_use]
    pub fn to_url(&self, scheme: &str) -> SecretString {
        match self {
            Self::Url(url) => url.expose_secret().into(),
            Self::Parts {
                host,
                name,
                user,
                password,
            } => {
                let [user, password, name] =
                    [user, password, name].map(|part| Encoded(part.expose_secret()));
                let host = host.expose_secret();
                format!("{scheme}://{user}:{password}@{host}/{name}").into()
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

//! Secrets with a form.

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use crate::{Error, Pair, Secrets};

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

pub(crate) fn invalid(name: &str, field: String, reason: String) -> Error {
    Error::Invalid {
        name: name.into(),
        field,
        reason,
    }
}

//! The settings in the environment, read once and checked whole.

mod secret_sources;

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use palisade::Problems;
use palisade::audit::{AuditError, Webhook};
use palisade::config::Config;
use palisade::secrets::Environment;

use crate::config_file::{ConfigFile, problems_of};

pub(crate) use self::secret_sources::SecretSources;

/// The settings that are no secrets.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) addr: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) environment: Environment,
    /// The Redis in which limits are counted together with other gateways.
    pub(crate) redis: Option<redis::Client>,
    pub(crate) access_token_lifetime: Duration,
    /// The lifetime of a kept answer of `/api/public`; zero keeps none.
    pub(crate) public_cache: Duration,
    /// The stack, its limits, and the breaker before the upstream.
    pub(crate) config: Config,
    /// The configuration file.
    pub(crate) config_file: ConfigFile,
    /// The receiver of critical events.
    pub(crate) alert_webhook: Option<AlertUrl>,
    /// The sources of secrets beside the environment.
    pub(crate) secrets: SecretSources,
}

/// The URL of a webhook, which is a credential.
#[derive(Clone)]
pub(crate) struct AlertUrl(String);

impl AlertUrl {
    pub(crate) fn webhook(&self) -> Result<Webhook, AuditError> {
        Webhook::from_url(&self.0)
    }
}

impl fmt::Debug for AlertUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Settings {
    /// Reads the settings, and says which variables are wrong; for those it takes the default, so that the start can
    /// go on to look for what else is wrong.
    pub(crate) fn read(var: impl Fn(&str) -> Option<String>) -> (Self, Problems) {
        Self::with(var, |file| file)
    }

    /// Reads them with a configuration file that `change` completes.
    pub(crate) fn with(
        var: impl Fn(&str) -> Option<String>,
        change: impl FnOnce(ConfigFile) -> ConfigFile,
    ) -> (Self, Problems) {
        let mut reader = Reader {
            var,
            problems: Problems::none(),
        };
        let data_dir = PathBuf::from(reader.text("GATEWAY_DATA_DIR", "gateway-data"));
        let config_file = change(ConfigFile::new(reader.set("GATEWAY_CONFIG"), &data_dir));
        let settings = Self {
            addr: reader.parsed(
                "GATEWAY_ADDR",
                "127.0.0.1:8080",
                "must be an address and a port, as in 127.0.0.1:8080",
            ),
            data_dir,
            environment: reader.parsed(
                "GATEWAY_ENV",
                "development",
                "must be development, staging or production",
            ),
            redis: reader.redis(),
            access_token_lifetime: reader.access_token_lifetime(),
            public_cache: reader.public_cache(),
            alert_webhook: reader.alert_webhook(),
            secrets: SecretSources::read(&|name| set(&reader.var, name), &mut reader.problems),
            config: reader.config(&config_file),
            config_file,
        };
        (settings, reader.problems)
    }
}

struct Reader<F> {
    var: F,
    problems: Problems,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn set(&self, name: &str) -> Option<String> {
        set(&self.var, name)
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.set(name).unwrap_or_else(|| default.to_owned())
    }

    fn parsed<T: FromStr>(&mut self, name: &str, default: &'static str, reason: &str) -> T
    where
        T::Err: std::fmt::Debug,
    {
        self.text(name, default).parse().unwrap_or_else(|_| {
            self.problems.push(name, reason);
            default.parse().expect("a default is valid")
        })
    }

    fn number(&mut self, name: &str, default: u32) -> NonZeroU32 {
        self.text(name, &default.to_string())
            .parse()
            .unwrap_or_else(|_| {
                self.problems.push(
                    name,
                    format!("must be a whole number from 1 to {}", u32::MAX),
                );
                NonZeroU32::MIN
            })
    }

    /// The URL may hold a password, so the reason does not repeat it.
    fn redis(&mut self) -> Option<redis::Client> {
        let url = self.set("REDIS_URL")?;
        let client = redis::Client::open(url).ok();
        if client.is_none() {
            let reason = "must be a Redis URL, as in redis://127.0.0.1:6379";
            self.problems.push("REDIS_URL", reason);
        }
        client
    }

    fn alert_webhook(&mut self) -> Option<AlertUrl> {
        const NAME: &str = "ALERT_WEBHOOK_URL";
        let url = AlertUrl(self.set(NAME)?);
        if let Err(error) = url.webhook() {
            self.problems.push(NAME, error.to_string());
            return None;
        }
        Some(url)
    }

    /// 1 minute to a day: a token that is out passes until it expires.
    fn access_token_lifetime(&mut self) -> Duration {
        const NAME: &str = "ACCESS_TOKEN_EXPIRE_MINUTES";
        const DAY: u32 = 24 * 60;
        let minutes = self.number(NAME, 15).get();
        if minutes > DAY {
            self.problems.push(NAME, "must be from 1 to 1440");
        }
        Duration::from_secs(u64::from(minutes.min(DAY)) * 60)
    }

    /// Up to an hour: what is kept is served even where it has changed.
    fn public_cache(&mut self) -> Duration {
        const NAME: &str = "PUBLIC_CACHE_TTL_SEC";
        const DEFAULT: u64 = 60;
        let seconds = self.text(NAME, &DEFAULT.to_string()).parse().ok();
        Duration::from_secs(
            seconds
                .filter(|seconds| *seconds <= 3_600)
                .unwrap_or_else(|| {
                    self.problems
                        .push(NAME, "must be from 0 to 3600; 0 keeps nothing");
                    DEFAULT
                }),
        )
    }

    fn config(&mut self, file: &ConfigFile) -> Config {
        file.load().unwrap_or_else(|error| {
            self.problems.append("", problems_of(&error));
            Config::default()
        })
    }
}

/// A variable that is set to nothing counts as not set.
fn set(var: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    var(name)
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Settings, Problems) {
        let var = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::with(var, |file| file.with_variables(variables))
    }

    #[test]
    fn the_url_of_a_webhook_is_checked_and_never_shown() {
        let (settings, problems) = read(&[("ALERT_WEBHOOK_URL", "https://ops.example/T0KEN")]);
        assert!(problems.is_empty(), "{problems}");
        assert!(settings.alert_webhook.is_some());
        assert!(!format!("{settings:?}").contains("T0KEN"));
        let (settings, problems) = read(&[("ALERT_WEBHOOK_URL", "ops.example/T0KEN")]);
        assert!(settings.alert_webhook.is_none());
        let shown = problems.to_string();
        assert!(
            shown.contains("ALERT_WEBHOOK_URL") && !shown.contains("T0KEN"),
            "{shown}"
        );
    }

    #[test]
    fn nothing_set_gives_the_defaults_of_the_contract() {
        let (settings, problems) = read(&[]);
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(settings.addr.to_string(), "127.0.0.1:8080");
        let ping = &settings.config.limits["ping"].policies[0].limits[0];
        assert_eq!((ping.rate, ping.burst), (Some(10), Some(20)));
        let breaker = &settings.config.breakers["upstream"];
        assert_eq!(
            (breaker.failure_threshold, breaker.open_for),
            (Some(5), Some(Duration::from_secs(60)))
        );
        let cors = settings.config.cors.as_ref().unwrap();
        assert_eq!(
            (&*cors.origins, cors.credentials),
            (&["*".to_owned()][..], false)
        );
        assert_eq!(settings.access_token_lifetime.as_secs(), 900);
        assert_eq!(settings.public_cache.as_secs(), 60);
        assert_eq!(settings.environment, Environment::Development);
    }

    #[test]
    fn an_empty_list_of_origins_does_not_let_everybody_in() {
        for empty in ["", "  "] {
            let (_, problems) = read(&[("CORS_ORIGINS", empty)]);
            let fields: Vec<_> = problems.iter().map(|problem| &*problem.field).collect();
            assert_eq!(fields, ["CORS_ORIGINS"], "{empty:?}");
        }
    }

    #[test]
    fn every_wrong_variable_is_named() {
        let wrong = [
            ("GATEWAY_ADDR", "here"),
            ("GATEWAY_ENV", "prod"),
            ("RATE_LIMIT_BURST", "0"),
            ("RATE_LIMIT_REQUESTS_PER_SECOND", "-1"),
            ("CIRCUIT_BREAKER_THRESHOLD", "many"),
            ("CIRCUIT_BREAKER_TIMEOUT_SEC", "1.5"),
            ("ACCESS_TOKEN_EXPIRE_MINUTES", "1441"),
            ("CORS_ORIGINS", "https://a.example/path"),
            ("TRUSTED_PROXIES", "10.0.0.0/99"),
            ("REDIS_URL", "http://127.0.0.1"),
            ("USE_AWS_SECRETS", "maybe"),
            ("VAULT_ADDR", "vault.example:8200"),
            ("SECRETS_TTL_SEC", "3601"),
            ("PUBLIC_CACHE_TTL_SEC", "3601"),
        ];
        let (_, problems) = read(&wrong);
        let mut named: Vec<_> = problems
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        let mut expected = wrong.map(|(name, _)| name).to_vec();
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected);
    }
}

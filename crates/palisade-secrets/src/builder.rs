use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use palisade_core::{Handle, Problems};

use crate::cache::{Snapshot, Times};
use crate::counters::Counters;
use crate::provider::AnyProvider;
use crate::secrets::{Access, OnAccess, Shared};
use crate::{EnvVars, Environment, Error, Provider, Rule, Secret, Secrets, Stage, policy};

/// Collects where secrets come from and which must be there.
#[must_use = "a builder does nothing until `build`"]
pub struct SecretsBuilder {
    environment: Environment,
    providers: Vec<Box<dyn AnyProvider>>,
    required: Vec<(Box<str>, Rule)>,
    times: Times,
    on_access: Option<Arc<OnAccess>>,
}

impl SecretsBuilder {
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            environment,
            providers: Vec::new(),
            required: Vec::new(),
            times: Times {
                ttl: Duration::from_secs(300),
                max_stale: Duration::from_secs(3600),
                negative_ttl: Duration::from_secs(10),
                provider: Duration::from_secs(20),
            },
            on_access: None,
        }
    }

    /// Adds a provider after those added before. Without any, the environment and its `_FILE` variables are asked.
    ///
    /// What the first does not have is looked for in the next; an error of one is never taken for absence.
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.providers.push(Box::new(provider));
        self
    }

    /// Adds a provider if a condition holds, such as a flag of the environment.
    pub fn provider_if(self, condition: bool, provider: impl Provider) -> Self {
        if condition {
            self.provider(provider)
        } else {
            self
        }
    }

    /// Sets how long a value is good; default 5 minutes. It is read anew at about 80 % of that.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.times.ttl = ttl;
        self
    }

    /// Sets how old a value may be while it cannot be read anew; default 1 hour. Then reading it is an error.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.times.max_stale = age;
        self
    }

    /// Sets how long absence is remembered; default 10 seconds, because a missing secret is usually about to be made.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.times.negative_ttl = ttl;
        self
    }

    /// Sets how long one provider may take to read one secret; default 20 seconds, which leaves time for the three attempts
    /// of `AwsSecretsManager`. Then it counts as failed.
    ///
    /// The timer is tokio's, and is made only when a provider has to wait. Outside a runtime of tokio there is none.
    pub fn provider_timeout(mut self, time: Duration) -> Self {
        self.times.provider = time;
        self
    }

    /// Adds secrets without which the service does not start, each by the [rule for its name](Rule::for_name).
    pub fn require<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let names = names.into_iter();
        self.required.extend(names.map(|name| {
            let name = name.as_ref();
            (name.into(), Rule::for_name(name))
        }));
        self
    }

    /// Adds a secret without which the service does not start, with a rule of its own.
    pub fn require_with(mut self, name: &str, rule: Rule) -> Self {
        self.required.push((name.into(), rule));
        self
    }

    /// Calls `then` whenever a secret is read, for a trail. It is never given the value, and must not wait.
    pub fn on_access(mut self, then: impl Fn(&Access<'_>) + Send + Sync + 'static) -> Self {
        self.on_access = Some(Arc::new(then));
        self
    }

    /// Reads and judges the required secrets.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with everything that is wrong: missing, too short, too regular, a placeholder, the same value
    /// in two places, a provider that fails. In development only the last stops the start, and the rest are warnings.
    pub async fn build(self) -> Result<Secrets, Error> {
        let Self {
            environment,
            mut providers,
            required,
            times,
            on_access,
        } = self;
        if providers.is_empty() {
            providers.push(Box::new(EnvVars::default()));
        }
        let secrets = Secrets(Handle::new(Shared {
            environment,
            counters: Counters::new(providers.len()),
            providers,
            times,
            warnings: OnceLock::new(),
            known: Stage::ALL.map(|_| ArcSwap::from_pointee(Snapshot::default())),
            writing: Mutex::default(),
            on_access,
            on_change: Mutex::default(),
        }));
        let mut fatal = setting_problems(times);
        let mut problems = Problems::none();
        let mut found: Vec<(&str, Rule, Secret)> = Vec::new();
        for (name, rule) in &required {
            match secrets.secret(name).await {
                Ok(secret) => found.push((name, *rule, secret)),
                Err(Error::Missing { .. }) => problems.push(&**name, "is missing"),
                Err(Error::Provider {
                    provider, source, ..
                }) => fatal.push(&**name, format!("{provider}: {source}")),
                Err(other) => fatal.push(&**name, other.to_string()),
            }
        }
        policy::judge(&found, &mut problems);
        if !fatal.is_empty() || environment.is_strict() {
            fatal.append("", problems);
            return fatal.into_result(secrets).map_err(Error::Refused);
        }
        policy::warn(&problems);
        let _ = secrets.0.warnings.set(problems);
        Ok(secrets)
    }
}

fn setting_problems(times: Times) -> Problems {
    let mut problems = Problems::none();
    if times.ttl < Duration::from_secs(1) {
        problems.push("ttl", "must be at least 1 second");
    }
    if times.provider.is_zero() {
        problems.push("provider_timeout", "must be longer than 0");
    }
    // A year: far below where adding to a clock could overflow.
    let longest = Duration::from_secs(365 * 24 * 3600);
    for (field, time) in [
        ("ttl", times.ttl),
        ("max_stale", times.max_stale),
        ("negative_ttl", times.negative_ttl),
        ("provider_timeout", times.provider),
    ] {
        if time > longest {
            problems.push(field, "must be at most 365 days");
        }
    }
    if times.max_stale < times.ttl {
        problems.push("max_stale", "must be at least the ttl");
    }
    problems
}

impl fmt::Debug for SecretsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsBuilder")
            .field("environment", &self.environment)
            .field("providers", &self.providers)
            .field("required", &self.required)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

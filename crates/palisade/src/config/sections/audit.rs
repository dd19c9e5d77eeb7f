use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use palisade_audit::{
    Audit, AuditBuilder, Class, Delivery, Format, Level, Matcher, OnFailure, Policy, Redactor,
    RollingFile, Seal, SigningKey, StdoutSink, any, path, prefix,
};
use palisade_core::Problems;
use serde::Deserialize;

use super::mode::Mode;
use super::secret::SecretRef;
use crate::config::variables::Variables;

/// The trail, and the layer that records requests in it.
///
/// The trail is opened once: only `mode` can change while the service runs. Further sinks, and the capture of requests'
/// bodies, are added in code.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditConfig {
    /// Whether requests are recorded (`on`, the default) or not (`off`). The trail itself stays open.
    pub mode: Mode,
    /// The name of the service in records and file names: 1 to 64 characters of `A-Z a-z 0-9 - _ .`; default `service`.
    pub service: Option<String>,
    /// The directory of the trail's files; default none, which needs `stdout`.
    pub directory: Option<PathBuf>,
    /// The bytes after which a file is finished, at least 4096; default never.
    pub max_bytes: Option<u64>,
    /// Whether a file is finished at midnight UTC; default not.
    pub daily: bool,
    /// The finished files that are kept; default all.
    pub keep: Option<usize>,
    /// The form of the lines: `native`, the default, `ecs` or `ocsf`.
    pub format: FormatName,
    /// Whether records are written to standard output too; default not.
    pub stdout: bool,
    /// Whether records are chained by hashes; default yes.
    pub seal: Option<bool>,
    /// The Ed25519 key in PEM that signs checkpoints; default none.
    pub signing_key: Option<SecretRef>,
    /// The records after which a checkpoint is signed; default 1000.
    pub checkpoint_records: Option<u64>,
    /// The seconds after which one is signed, where there were records; default 60.
    pub checkpoint_seconds: Option<u64>,
    /// The file to which checkpoints are copied; default none.
    pub checkpoint_file: Option<PathBuf>,
    /// Request headers that are recorded, redacted; default `user-agent`.
    pub headers: Option<Vec<String>>,
    /// The longest body that is captured, in bytes, at most 1 MiB; default 16 KiB.
    pub capture_bytes: Option<usize>,
    /// The records that may wait for the writer, 16 to 1000000; default 8192.
    pub capacity: Option<usize>,
    /// The latest records that are kept in memory, at most 100000; default 1000.
    pub recent: Option<usize>,
    /// The behaviour while the file cannot be written: `block`, the default, `fail-closed` or `stderr`.
    pub on_failure: OnFailureName,
    /// The delivery of the records of a class: `best-effort`, `block`, `durable` or `fail-closed`; default `block` for authentication, authorization, admin and
    /// configuration, else `best-effort`.
    pub deliver: BTreeMap<ClassName, DeliveryName>,
    /// The rules that say which requests are recorded at which level, of which the first that fits decides; default all but the probes', with
    /// their metadata.
    pub rules: Vec<AuditRuleConfig>,
    /// Names of members and parameters whose values are masked, besides the usual ones.
    pub mask: Vec<String>,
    /// Names of members and parameters that are left out; default none.
    pub drop: Vec<String>,
}

/// One rule of the trail. What it leaves out fits every request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AuditRuleConfig {
    /// The level of detail: `none`, `metadata`, `request` (also its body) or `request-response` (both bodies).
    pub level: LevelName,
    /// The exact path, as it was sent.
    #[serde(default)]
    pub path: Option<String>,
    /// The path and all below it.
    #[serde(default)]
    pub prefix: Option<String>,
    /// The methods; default all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// The roles, of which the principal has one; default any.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The subjects, of which the principal is one; default any.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// The statuses: `403`, or a range such as `400-499`.
    #[serde(default)]
    pub statuses: Vec<String>,
    /// The delivery of these records; default as `deliver` says.
    #[serde(default)]
    pub delivery: Option<DeliveryName>,
}

macro_rules! words {
    ($(#[$of_type:meta])* $name:ident for $of:ident $style:literal { $($(#[$of_word:meta])* $word:ident => $value:expr,)+ }) => {
        $(#[$of_type])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = $style)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$of_word])* $word,)+
        }

        impl $name {
            const fn value(self) -> $of {
                match self {
                    $(Self::$word => $value,)+
                }
            }
        }
    };
}

words! {
    /// The level of detail of a record.
    LevelName for Level "kebab-case" {
        /// Nothing of its own.
        None => Level::None,
        /// The metadata: who, what, from where, when and the outcome.
        Metadata => Level::Metadata,
        /// Also the request's body, redacted.
        Request => Level::Request,
        /// Also the response's body, redacted.
        RequestResponse => Level::RequestResponse,
    }
}

words! {
    /// The delivery of a record.
    DeliveryName for Delivery "kebab-case" {
        /// Never holds a request up; lost and counted when there is no room.
        BestEffort => Delivery::BestEffort,
        /// Waits for room up to a second.
        Block => Delivery::Block(Delivery::BLOCK_TIMEOUT),
        /// Waits until the record is on the disk, up to 5 seconds.
        Durable => Delivery::Durable,
        /// The same, and 503 instead of a response without a record.
        FailClosed => Delivery::FailClosed,
    }
}

words! {
    /// A class of records.
    ClassName for Class "kebab-case" {
        /// Plain requests.
        Access => Class::Access,
        /// Sign-ins and credentials.
        Authentication => Class::Authentication,
        /// Refusals of what somebody may not do.
        Authorization => Class::Authorization,
        /// Actions of administrators.
        Admin => Class::Admin,
        /// Changes of the configuration.
        Configuration => Class::Configuration,
        /// Access to data.
        Data => Class::Data,
        /// The service itself.
        Operations => Class::Operations,
    }
}

words! {
    /// The form of a trail's lines.
    #[derive(Default)]
    FormatName for Format "kebab-case" {
        /// Palisade's own JSON.
        #[default]
        Native => Format::Native,
        /// Elastic Common Schema.
        Ecs => Format::Ecs,
        /// Open Cybersecurity Schema Framework.
        Ocsf => Format::Ocsf,
    }
}

words! {
    /// The behaviour while a trail's file cannot be written.
    #[derive(Default)]
    OnFailureName for OnFailure "kebab-case" {
        /// Requests are answered, and records that matter wait for a while.
        #[default]
        Block => OnFailure::Block,
        /// Requests are refused with 503.
        FailClosed => OnFailure::FailClosed,
        /// Lines go to standard error, and are missing in the file.
        Stderr => OnFailure::Stderr,
    }
}

impl AuditConfig {
    /// The description of the trail, to which code may add sinks.
    pub(in crate::config) fn builder(
        &self,
        variables: &Variables,
    ) -> Result<AuditBuilder, Problems> {
        let mut problems = Problems::none();
        let service = self.service.as_deref().unwrap_or("service");
        let mut builder = Audit::builder(service)
            .on_failure(self.on_failure.value())
            .redact(Redactor::defaults().mask(&self.mask).drop(&self.drop));
        if let Some(directory) = &self.directory {
            builder = builder.file(self.file(directory.clone()));
        }
        if self.stdout {
            builder = builder.sink(StdoutSink::new().format(self.format.value()));
        }
        if let Some(names) = &self.headers {
            builder = builder.headers(names);
        }
        if let Some(bytes) = self.capture_bytes {
            builder = builder.capture(bytes);
        }
        if let Some(records) = self.capacity {
            builder = builder.capacity(records);
        }
        if let Some(records) = self.recent {
            builder = builder.recent(records);
        }
        for (class, delivery) in &self.deliver {
            builder = builder.deliver(class.value(), delivery.value());
        }
        match self.seal(variables) {
            Ok(Some(seal)) => builder = builder.seal(seal),
            Ok(None) => {}
            Err(part) => problems.append("", part),
        }
        if !self.rules.is_empty() {
            match self.policy() {
                Ok(policy) => builder = builder.policy(policy),
                Err(part) => problems.append("", part),
            }
        }
        problems.into_result(builder)
    }

    fn file(&self, directory: PathBuf) -> RollingFile {
        let mut file = RollingFile::new(directory).format(self.format.value());
        if let Some(bytes) = self.max_bytes {
            file = file.max_bytes(bytes);
        }
        if self.daily {
            file = file.daily();
        }
        if let Some(files) = self.keep {
            file = file.keep(files);
        }
        file
    }

    fn seal(&self, variables: &Variables) -> Result<Option<Seal>, Problems> {
        let wants_checkpoints = self.checkpoint_records.is_some()
            || self.checkpoint_seconds.is_some()
            || self.checkpoint_file.is_some();
        if self.seal == Some(false) {
            return match self.signing_key.is_some() || wants_checkpoints {
                true => Err(Problems::one("seal", "is off, but checkpoints need it")),
                false => Ok(None),
            };
        }
        let Some(place) = &self.signing_key else {
            return match wants_checkpoints {
                true => Err(Problems::one(
                    "signing_key",
                    "is missing: checkpoints need it",
                )),
                false => Ok(Some(Seal::chain())),
            };
        };
        let pem = place
            .read(variables)
            .map_err(|reason| Problems::one("signing_key", reason))?;
        let key = SigningKey::from_pem(&pem)
            .map_err(|_| Problems::one("signing_key", "is no Ed25519 private key in PEM form"))?;
        let every = self.checkpoint_records.unwrap_or(1_000);
        let period = Duration::from_secs(self.checkpoint_seconds.unwrap_or(60));
        let seal = Seal::chain().checkpoint(key, every, period);
        Ok(Some(match &self.checkpoint_file {
            Some(file) => seal.copy_checkpoints(file),
            None => seal,
        }))
    }

    fn policy(&self) -> Result<Policy, Problems> {
        let mut problems = Problems::none();
        let mut policy = Policy::first_match();
        for (position, rule) in self.rules.iter().enumerate() {
            let matcher = rule.matcher();
            match (matcher, rule.delivery) {
                (Err(part), _) => problems.append(&format!("rules[{position}]."), part),
                (Ok(matcher), None) => policy = policy.rule(matcher, rule.level.value()),
                (Ok(matcher), Some(delivery)) => {
                    policy = policy.rule_delivered(matcher, rule.level.value(), delivery.value());
                }
            }
        }
        problems.into_result(policy)
    }
}

impl AuditRuleConfig {
    fn matcher(&self) -> Result<Matcher, Problems> {
        let mut problems = Problems::none();
        let mut matcher = match (&self.path, &self.prefix) {
            (None, None) => any(),
            (Some(exact), None) => path(exact),
            (None, Some(below)) => prefix(below),
            (Some(_), Some(_)) => {
                problems.push("prefix", "excludes path");
                any()
            }
        };
        for (position, method) in self.methods.iter().enumerate() {
            match method.parse::<Method>() {
                Ok(method) => matcher = matcher.method(method),
                Err(_) => problems.push(format!("methods[{position}]"), "is no method"),
            }
        }
        for role in &self.roles {
            matcher = matcher.role(role);
        }
        for subject in &self.subjects {
            matcher = matcher.principal(subject);
        }
        for (position, text) in self.statuses.iter().enumerate() {
            match statuses(text) {
                Some((first, last)) => matcher = matcher.statuses(first..=last),
                None => problems.push(
                    format!("statuses[{position}]"),
                    "is neither a status such as 403 nor a range such as 400-499",
                ),
            }
        }
        problems.into_result(matcher)
    }
}

/// The first and the last status of a range.
fn statuses(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| {
        let number = text.trim().parse().ok()?;
        (100..600).contains(&number).then_some(number)
    };
    let (first, last) = (status(first)?, status(last)?);
    (first <= last).then_some((first, last))
}

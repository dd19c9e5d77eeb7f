use std::time::Duration;

use palisade::Problems;
use palisade::secrets::{Error, Vault};

/// The secret of Vault whose fields are the secrets of the gateway, under the mount `secret` (KV 2).
const VAULT_PATH: &str = "gateway";

/// The time after which a secret is read anew, in seconds: for the longest, the last good value serves an outage.
const TTL: u64 = 300;
const LONGEST_TTL: u64 = 60 * 60;

/// The sources of secrets beside the environment.
#[derive(Debug, Clone)]
pub(crate) struct SecretSources {
    /// Whether secrets come from AWS Secrets Manager; in a build without it always `false`.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "nothing reads it"))]
    pub(crate) aws: bool,
    /// The Vault or OpenBao that secrets come from.
    pub(crate) vault: Option<Vault>,
    /// The time after which a secret is read anew.
    pub(crate) ttl: Duration,
}

impl SecretSources {
    /// Reads the variables that name the sources; `set` gives those that are set to something.
    pub(super) fn read(set: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Self {
        Self {
            aws: aws(set, problems),
            vault: vault(set, problems),
            ttl: ttl(set, problems),
        }
    }
}

/// Whoever sets it believes that secrets come from AWS, so that ignoring it would be worse than refusing.
fn aws(set: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> bool {
    const NAME: &str = "USE_AWS_SECRETS";
    let wanted = match set(NAME).as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            problems.push(NAME, "must be true or false");
            false
        }
    };
    if wanted && cfg!(not(feature = "aws")) {
        let reason = "needs a build with the feature aws: cargo run -p gateway --features aws";
        problems.push(NAME, reason);
    }
    wanted && cfg!(feature = "aws")
}

fn vault(set: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Option<Vault> {
    set("VAULT_ADDR")?;
    match Vault::from_vars(set) {
        Ok(vault) => Some(vault.kv2("secret").path(VAULT_PATH)),
        Err(Error::Refused(part)) => {
            problems.append("", part);
            None
        }
        Err(error) => {
            problems.push("VAULT_ADDR", error.to_string());
            None
        }
    }
}

fn ttl(set: &dyn Fn(&str) -> Option<String>, problems: &mut Problems) -> Duration {
    const NAME: &str = "SECRETS_TTL_SEC";
    let seconds = match set(NAME).map(|text| text.parse()) {
        None => TTL,
        Some(Ok(seconds @ 1..=LONGEST_TTL)) => seconds,
        Some(_) => {
            problems.push(NAME, "must be a whole number from 1 to 3600");
            TTL
        }
    };
    Duration::from_secs(seconds)
}

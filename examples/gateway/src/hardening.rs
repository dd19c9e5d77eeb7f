//! The layers, as far as no file can describe them.

use palisade::Problems;
use palisade::audit::{Audit, AuditError, Guard, RollingFile, Seal};
use palisade::auth::AuthLayer;
use palisade::config::Assembly;
use palisade::crypto::FieldCipher;
use palisade::ratelimit::{Redis, Selection};

use crate::config_file::problems_of;
use crate::settings::Settings;
use crate::shared;

/// The name of the policy that counts failed logins by account, and of its limits.
pub(crate) const FAILED_LOGINS: &str = "failed-logins";

/// Makes the stack, now and whenever its configuration changes: with what no file can say.
///
/// # Errors
///
/// Every setting that a layer refuses, by the name of its variable or its line.
pub(crate) fn assembly(
    settings: &Settings,
    audit: &Audit,
    auth: AuthLayer,
    cipher: FieldCipher,
) -> Result<Assembly, Problems> {
    let mut assembly = Assembly::new()
        .audit(audit.clone())
        .auth(auth)
        .cipher(cipher)
        .limit("principals", |builder| {
            builder.select(|request| match request.principal() {
                Some(principal) if principal.has_role("admin") => Selection::policy("admin"),
                Some(_) => Selection::policy("authenticated"),
                None => Selection::exempt(),
            })
        });
    if let Some(redis) = &settings.redis {
        let store = shared_store(redis.clone());
        assembly =
            assembly.store(store.map_err(|error| Problems::one("REDIS_URL", error.to_string()))?);
    }
    Ok(assembly)
}

/// Limits in Redis. While it is down, each policy says what happens.
fn shared_store(client: redis::Client) -> redis::RedisResult<Redis> {
    Ok(Redis::new(shared::connection(client)?).prefix(shared::PREFIX))
}

/// Opens the trail, and posts critical events to the webhook as well, if there is one. A trail without a section in the file
/// is as it is built in, and records no requests.
pub(crate) fn open_trail(settings: &Settings) -> Result<(Audit, Guard), Problems> {
    let named = |error: AuditError| Problems::one("audit", error.to_string());
    let described = settings.config.trail();
    let mut trail = described
        .map_err(|error| problems_of(&error))?
        .unwrap_or_else(|| {
            let file = RollingFile::new(settings.data_dir.join("audit"))
                .max_bytes(64 << 20)
                .daily()
                .keep(30);
            Audit::builder("gateway").file(file).seal(Seal::chain())
        });
    if let Some(url) = &settings.alert_webhook {
        trail = trail.sink(url.webhook().map_err(named)?);
    }
    trail.open().map_err(named)
}

//! The trail of a configuration.

use palisade_audit::{Audit, AuditBuilder, AuditError, Guard};
use palisade_core::Problems;

use super::error::ConfigError;
use super::model::Config;

impl Config {
    /// The description of the trail, to which code may add sinks; `None` where there is no section `audit`.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be understood.
    pub fn trail(&self) -> Result<Option<AuditBuilder>, ConfigError> {
        let Some(audit) = &self.audit else {
            return Ok(None);
        };
        match audit.builder(&self.origin.variables) {
            Ok(builder) => Ok(Some(builder)),
            Err(part) => ConfigError::result(self.explain("audit", &part), None),
        }
    }

    /// Opens the trail, once for the life of the service, also while `audit.mode` is off. Keep the guard until the service
    /// has ended.
    ///
    /// # Errors
    ///
    /// Every setting that cannot be used, or the file that cannot be written.
    pub fn open_trail(&self) -> Result<Option<(Audit, Guard)>, ConfigError> {
        let Some(builder) = self.trail()? else {
            return Ok(None);
        };
        let problems = match builder.open() {
            Ok(trail) => return Ok(Some(trail)),
            Err(AuditError::Settings(problems)) => problems,
            Err(other) => Problems::one("directory", other.to_string()),
        };
        // The builder knows its parts by names of its own.
        let mut named = Problems::none();
        for problem in problems.iter() {
            let field = match problem.field.as_str() {
                "sinks" => "directory",
                "capture" => "capture_bytes",
                "seal.checkpoint" => "checkpoint_records",
                "seal.copy_checkpoints" => "checkpoint_file",
                field => field.strip_prefix("file.").unwrap_or(field),
            };
            named.push(field, problem.reason.clone());
        }
        ConfigError::result(self.explain("audit", &named), None)
    }
}

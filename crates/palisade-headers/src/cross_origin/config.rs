use palisade_core::Problems;

use super::CrossOriginGuardLayer;
use crate::{HeadersError, Mode};

/// A cross-origin guard as configurations write it; with feature `serde` from any format.
///
/// # Example
///
/// ```
/// use palisade_headers::cross_origin::CrossOriginGuardConfig;
///
/// let mut config = CrossOriginGuardConfig::default();
/// config.trusted_origins.push("https://admin.example".into());
/// assert!(config.try_build().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CrossOriginGuardConfig {
    /// Whether it is `on`, the default, or `off`.
    pub mode: Mode,
    /// Origins whose pages may make requests with effects; default none.
    pub trusted_origins: Vec<String>,
    /// Patterns of requests that pass unchecked; default none.
    pub insecure_bypasses: Vec<String>,
}

impl CrossOriginGuardConfig {
    /// The layer.
    ///
    /// # Errors
    ///
    /// Names every text that is not an origin, or not a pattern.
    pub fn try_build(&self) -> Result<CrossOriginGuardLayer, HeadersError> {
        let mut problems = Problems::none();
        let mut layer = if self.mode == Mode::Off {
            CrossOriginGuardLayer::off()
        } else {
            CrossOriginGuardLayer::new()
        };
        let mut add = |added: Result<CrossOriginGuardLayer, HeadersError>,
                       before: &CrossOriginGuardLayer| {
            added.unwrap_or_else(|error| {
                problems.append("", error.problems().clone());
                before.clone()
            })
        };
        for origin in &self.trusted_origins {
            layer = add(layer.clone().add_trusted_origin(origin), &layer);
        }
        for pattern in &self.insecure_bypasses {
            layer = add(layer.clone().add_insecure_bypass(pattern), &layer);
        }
        problems
            .into_result(layer)
            .map_err(HeadersError::CrossOrigin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported_at_once() {
        let config = CrossOriginGuardConfig {
            trusted_origins: vec![
                "null".into(),
                "https://a.example".into(),
                "b.example".into(),
            ],
            insecure_bypasses: vec!["/hooks/".into(), "hooks".into()],
            ..CrossOriginGuardConfig::default()
        };
        let error = config.try_build().unwrap_err();
        let fields: Vec<_> = error
            .problems()
            .iter()
            .map(|problem| problem.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "trusted origin \"null\"",
                "trusted origin \"b.example\"",
                "bypass \"hooks\""
            ]
        );
    }
}

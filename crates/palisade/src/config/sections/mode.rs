use serde::Deserialize;

/// Whether a layer is there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "LayerMode"))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// It works.
    #[default]
    On,
    /// It passes everything through.
    Off,
}

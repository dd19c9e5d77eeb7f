/// Whether a layer that a configuration describes is there at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "HeadersMode"))]
#[non_exhaustive]
pub enum Mode {
    /// It works.
    #[default]
    On,
    /// It passes everything through.
    Off,
}

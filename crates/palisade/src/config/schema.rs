use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::model::Config;

/// The JSON schema (draft 7, which editors of TOML read) of a configuration file, as the features that are on make it.
///
/// With all features it is the file `docs/palisade.schema.json` of the repository.
#[must_use]
pub fn json_schema() -> Value {
    let schema = SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Config>();
    let mut schema = schema.to_value();
    plain(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "palisade.toml".into());
    }
    schema
}

/// Takes the links of rustdoc out of descriptions, which no editor follows.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => *text = plain_text(text),
                    other => plain(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}

fn plain_text(text: &str) -> String {
    let mut text = text.replace('\n', " ");
    // "..; see [`Type::method`]." and " See [`Type::method`]." are for readers of the crate's documentation.
    for (lead, end) in [
        ("; see [", "]"),
        ("; see `", "`"),
        (" See [", "]."),
        (" See `", "`."),
    ] {
        while let Some(start) = text.find(lead) {
            let inside = start + lead.len();
            let length = text[inside..].find(end).map_or(0, |at| at + end.len());
            text.replace_range(start..inside + length, "");
        }
    }
    // [`name`](Type::name) is `name`.
    while let Some(start) = text.find("](") {
        let length = text[start..].find(')').map_or(2, |at| at + 1);
        text.replace_range(start..start + length, "]");
    }
    text.replace("[`", "`").replace("`]", "`")
}

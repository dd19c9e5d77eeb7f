//! The JSON schema, and the guide that lists every key.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use palisade::config::json_schema;
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn document(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_model() {
    if std::env::var_os("PALISADE_WRITE_SCHEMA").is_some() {
        let text = format!("{:#}\n", json_schema());
        fs::write(folder().join("palisade.schema.json"), text).unwrap();
    }
    let kept: Value = serde_json::from_str(&document("palisade.schema.json")).unwrap();
    assert!(
        kept == json_schema(),
        "write it anew with `cargo xtask schema`"
    );
}

/// The keys of a schema with the path of each, in which `*` stands for any name and `[]` for any item.
fn keys(root: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let definition = root.pointer(target.trim_start_matches('#')).unwrap();
        return keys(root, definition, path, found);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for part in schema[name].as_array().into_iter().flatten() {
            keys(root, part, path, found);
        }
    }
    let below = |name: &str| match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(below(name));
        keys(root, schema, &below(name), found);
    }
    if schema["additionalProperties"].is_object() {
        keys(root, &schema["additionalProperties"], &below("*"), found);
    }
    if schema["items"].is_object() {
        keys(root, &schema["items"], &format!("{path}[]"), found);
    }
}

#[test]
fn the_schema_knows_what_the_layers_know() {
    let schema = json_schema();
    let mut found = BTreeSet::new();
    keys(&schema, &schema, "", &mut found);
    for key in [
        "scope.trusted_proxies",
        "request_id.mode",
        "security_headers.hsts.max_age_seconds",
        "cors.origins",
        "limits.*.policies[].limits[].burst",
        "limits.*.policies[].mode",
        "auth.services[].token.env",
        "audit.rules[].level",
        "field_encryption.fields",
        "breakers.*.open_for",
        "retries.*.attempts",
    ] {
        assert!(found.contains(key), "{key} is not in {found:#?}");
    }
}

#[test]
fn the_guide_lists_every_key_with_its_meaning_and_no_other() {
    let schema = json_schema();
    let mut known = BTreeSet::new();
    keys(&schema, &schema, "", &mut known);
    let guide = document("guides/configuration.md");
    let rows = guide.lines().filter_map(|line| {
        let (key, meaning) = line.strip_prefix("| `")?.split_once("` | ")?;
        // Tables of other things have no section in their first column.
        let section = key.split('.').next().unwrap_or_default();
        let is_key = schema["properties"].get(section).is_some();
        (is_key && meaning.trim_end_matches('|').trim().len() > 10).then(|| key.to_owned())
    });
    let listed: BTreeSet<String> = rows.collect();
    // A table is told by its keys, and the two places of a secret by what is said of all secrets.
    let is_place = |key: &str| {
        let parent = key
            .strip_suffix(".env")
            .or_else(|| key.strip_suffix(".file"));
        parent.is_some_and(|parent| listed.contains(parent))
    };
    let is_told = |key: &&String| {
        listed.contains(*key)
            || is_place(key)
            || known.iter().any(|other| {
                other.starts_with(&format!("{key}.")) || other.starts_with(&format!("{key}[]."))
            })
    };
    let missing: Vec<_> = known.iter().filter(|key| !is_told(key)).collect();
    assert!(
        missing.is_empty(),
        "the guide does not tell of {missing:#?}"
    );
    let unknown: Vec<_> = listed.iter().filter(|key| !known.contains(*key)).collect();
    assert!(unknown.is_empty(), "the guide tells of {unknown:#?}");
}

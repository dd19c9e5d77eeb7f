//! Whether a server is one that limits can be kept in, as far as its `INFO` tells.

use palisade_core::Problems;
use redis::Value;

/// The first version that knows `SET ... KEEPTTL`. Valkey calls itself 7.2 where it names a version of Redis.
const OLDEST: u32 = 6;

/// The reasons that speak against the servers that answered, each once.
pub(super) fn problems(info: &Value) -> Problems {
    let mut texts = Vec::new();
    collect(info, &mut texts);
    let mut found: Vec<(&str, String)> = Vec::new();
    for text in &texts {
        for problem in of_one(text) {
            if !found.contains(&problem) {
                found.push(problem);
            }
        }
    }
    let mut problems = Problems::none();
    for (field, reason) in found {
        problems.push(field, reason);
    }
    problems
}

/// One text from a server, or a map of them from a cluster.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, texts)),
        _ => {}
    }
}

fn of_one(info: &str) -> Vec<(&'static str, String)> {
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(field, _)| *field == name)?;
        Some(value.trim())
    };
    let mut found = Vec::new();
    if let Some(version) = field("redis_version")
        && let Some(major) = version.split('.').next()
        && major.parse().is_ok_and(|major: u32| major < OLDEST)
    {
        let reason = format!("is {version}, must be Redis 6.0 or later, or Valkey");
        found.push(("store.version", reason));
    }
    if let Some(policy) = field("maxmemory_policy")
        && policy != "noeviction"
        && field("maxmemory").is_some_and(|most| most != "0")
    {
        let reason = format!(
            "is {policy}, by which keys that are over their limit are evicted and so set free; must be noeviction"
        );
        found.push(("store.maxmemory-policy", reason));
    }
    // The connection to a cluster finds the primary of each key by itself.
    if field("role") == Some("slave") && field("cluster_enabled") != Some("1") {
        found.push((
            "store.role",
            "is a replica, which takes no writes".to_owned(),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> String {
        let text = lines.join("\r\n");
        let problems = problems(&Value::BulkString(text.into_bytes()));
        problems
            .into_result(())
            .map_or_else(|found| found.to_string(), |()| String::new())
    }

    #[test]
    fn what_speaks_against_a_server_is_named() {
        for version in [
            "redis_version:6.0.0",
            "redis_version:7.2.4",
            "redis_version:10.1.0",
        ] {
            assert_eq!(read(&["# Server", version, "role:master"]), "");
        }
        assert!(read(&["redis_version:5.0.14"]).starts_with("store.version: is 5.0.14"));
        let evicting = ["maxmemory:2097152", "maxmemory_policy:volatile-ttl"];
        assert!(read(&evicting).starts_with("store.maxmemory-policy: is volatile-ttl"));
        assert_eq!(read(&["maxmemory:0", "maxmemory_policy:allkeys-lru"]), "");
        assert_eq!(read(&["maxmemory:99", "maxmemory_policy:noeviction"]), "");
        assert!(read(&["role:slave", "cluster_enabled:0"]).starts_with("store.role"));
        assert_eq!(read(&["role:slave", "cluster_enabled:1"]), "");
        assert_eq!(read(&["OK"]), "", "nothing is known");
    }

    #[test]
    fn each_node_of_a_cluster_is_read_and_a_problem_named_once() {
        let node = |version: &str| {
            let text = format!("redis_version:{version}\r\n");
            (
                Value::SimpleString("node".into()),
                Value::BulkString(text.into()),
            )
        };
        let nodes = Value::Map(vec![node("7.0.15"), node("5.0.1"), node("5.0.1")]);
        let found = problems(&nodes).into_result(()).unwrap_err().to_string();
        assert_eq!(found.matches("5.0.1").count(), 1, "{found}");
    }
}

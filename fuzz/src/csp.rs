use palisade_headers::security::{
    Allowlist, Csp, PermissionsPolicy, ReportingEndpoints, SecurityHeadersConfig, Source,
};

/// Lines of an operator in the places of hosts, endpoints, features, origins and headers: nothing breaks out of its
/// place.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.lines().take(8).collect();
    let hosts = lines.iter().filter_map(|line| Source::host(line).ok());
    let mut policy = Csp::new().default_src([Source::None]).script_src(hosts);
    for line in &lines {
        policy = policy.report_to(line);
    }
    let policy = policy.to_string();
    let directives: Vec<&str> = policy.split("; ").collect();
    assert!(directives.len() <= 3, "{policy}");
    assert!(directives[0] == "default-src 'none'", "{policy}");
    assert!(directives[1].starts_with("script-src "), "{policy}");
    assert!(!policy.contains([',', '"', '\n']), "{policy}");

    for line in &lines {
        if let Ok(endpoints) = ReportingEndpoints::new().endpoint("csp", line) {
            let value = endpoints.value();
            let quotes = value
                .as_bytes()
                .iter()
                .filter(|byte| **byte == b'"')
                .count();
            assert_eq!(quotes, 2, "{value:?}");
        }
        let allowed = Allowlist::SelfAnd(vec![(*line).to_owned()]);
        if let Ok(features) = PermissionsPolicy::new().feature("camera", allowed) {
            let value = features.value();
            let quotes = value
                .as_bytes()
                .iter()
                .filter(|byte| **byte == b'"')
                .count();
            assert_eq!(quotes, 2, "{value:?}");
        }
    }

    let mut config = SecurityHeadersConfig::default();
    for pair in lines.chunks(2) {
        let value = pair.last().copied().unwrap_or_default();
        config.headers.insert(pair[0].to_owned(), value.to_owned());
    }
    config.strip = lines.iter().map(|line| (*line).to_owned()).collect();
    drop(config.try_build());
}

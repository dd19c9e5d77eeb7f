//! Tells production from development.

/// Variables that commonly name the environment of a process.
const VARIABLES: [&str; 4] = ["ENVIRONMENT", "APP_ENV", "RUST_ENV", "APP_ENVIRONMENT"];

/// The reason why this process counts as production, if it does: it was built without debug assertions, as `--release` does, or a variable
/// says so.
pub(super) fn is_production() -> Option<String> {
    production(cfg!(debug_assertions), |name| std::env::var(name).ok())
}

fn production(debug: bool, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    if !debug {
        return Some("is on in a release build".to_owned());
    }
    let names_production = |value: String| {
        let value = value.trim().to_ascii_lowercase();
        ["prod", "production", "live", "staging"].contains(&value.as_str())
    };
    let variable = VARIABLES
        .into_iter()
        .find(|name| read(name).is_some_and(names_production))?;
    Some(format!("is on while {variable} names production"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_build_and_a_variable_are_production() {
        let with = |variable: &'static str, value: &'static str| {
            production(true, move |name| {
                (name == variable).then(|| value.to_owned())
            })
        };
        assert_eq!(production(true, |_| None), None);
        assert_eq!(
            production(false, |_| None).unwrap(),
            "is on in a release build"
        );
        for value in ["production", "PROD", " live ", "staging"] {
            assert_eq!(
                with("APP_ENV", value).unwrap(),
                "is on while APP_ENV names production"
            );
        }
        assert!(with("ENVIRONMENT", "production").is_some());
        for value in ["", "development", "test", "preproduction"] {
            assert_eq!(with("ENVIRONMENT", value), None, "{value}");
        }
        assert_eq!(with("OTHER", "production"), None);
    }
}

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use palisade_core::Problems;

use crate::origin::is_loopback;

/// The proxy of HTTPS connections, as it was set.
#[derive(Clone)]
pub(crate) enum ProxySetting {
    /// By the variables of the environment.
    Environment,
    None,
    Url {
        proxy: String,
        except: String,
    },
}

/// The proxy of each connection.
pub(crate) struct Proxies(Option<Matcher>);

impl Proxies {
    pub(crate) fn new(setting: &ProxySetting, problems: &mut Problems) -> Self {
        match setting {
            ProxySetting::None => Self(None),
            ProxySetting::Url { proxy, except } => Self::of("proxy", proxy, except, problems),
            ProxySetting::Environment => {
                // What is not UTF-8 is no URL, and must not pass for a variable that is not set.
                let read =
                    |name| std::env::var_os(name).map(|value| value.to_string_lossy().into());
                Self::from_vars(read, problems)
            }
        }
    }

    /// Reads the first of `HTTPS_PROXY` and `ALL_PROXY` that is set, and `NO_PROXY`, each in upper or lower case.
    fn from_vars(read: impl Fn(&'static str) -> Option<String>, problems: &mut Problems) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value = read(name)?;
                (!value.trim().is_empty()).then_some((*name, value))
            })
        };
        let proxy = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
        let except = first(&["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, list)| list);
        match proxy {
            Some((name, proxy)) => Self::of(name, &proxy, &except, problems),
            None => Self(None),
        }
    }

    fn of(field: &str, proxy: &str, except: &str, problems: &mut Problems) -> Self {
        let all = Matcher::builder().https(proxy.trim().to_owned()).build();
        let any = all.intercept(&Uri::from_static("https://example.com"));
        match any.as_ref().and_then(|proxy| proxy.uri().scheme_str()) {
            Some("http" | "https") => {}
            Some(_) => problems.push(field, "must be the URL of an http or https proxy"),
            // Its value may hold a password.
            None => problems.push(field, "is no URL"),
        }
        let matcher = Matcher::builder()
            .https(proxy.trim().to_owned())
            .no(except.to_owned());
        Self(Some(matcher.build()))
    }

    /// Returns the proxy of a connection. This machine is never called through one, and plain HTTP neither.
    pub(crate) fn of_connection(&self, target: &Uri) -> Option<Intercept> {
        let host = target.host()?;
        let matcher = self.0.as_ref().filter(|_| !is_loopback(host))?;
        matcher.intercept(target)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Proxies(..)"
        } else {
            "Proxies(none)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(vars: &[(&'static str, &str)]) -> (Proxies, Problems) {
        let mut problems = Problems::none();
        let read = |name: &str| {
            let found = vars.iter().find(|(known, _)| *known == name)?;
            Some(found.1.to_owned())
        };
        (Proxies::from_vars(read, &mut problems), problems)
    }

    fn proxy_of(proxies: &Proxies, target: &'static str) -> Option<String> {
        let proxy = proxies.of_connection(&Uri::from_static(target))?;
        Some(proxy.uri().authority()?.to_string())
    }

    #[test]
    fn the_environment_names_the_proxy_and_its_exceptions() {
        let (found, problems) = proxies(&[
            ("ALL_PROXY", "http://all.example:1"),
            ("https_proxy", "http://lower.example:2"),
            ("HTTPS_PROXY", " "),
            ("NO_PROXY", "internal.example, 10.0.0.0/8"),
        ]);
        assert!(problems.is_empty());
        let lower = Some("lower.example:2".to_owned());
        assert_eq!(proxy_of(&found, "https://api.example/x"), lower);
        assert_eq!(proxy_of(&found, "https://vault.internal.example/"), None);
        assert_eq!(proxy_of(&found, "https://10.1.2.3/"), None);
        assert_eq!(proxy_of(&found, "https://127.0.0.1/"), None);
        assert_eq!(proxy_of(&found, "http://api.example/"), None);

        let (found, _) = proxies(&[("all_proxy", "http://all.example:1")]);
        assert_eq!(
            proxy_of(&found, "https://api.example/"),
            Some("all.example:1".to_owned())
        );
        assert_eq!(format!("{found:?}"), "Proxies(..)", "may hold a password");
        let (found, _) = proxies(&[("HTTP_PROXY", "http://plain.example:1")]);
        assert_eq!(proxy_of(&found, "https://api.example/"), None);
        assert_eq!(format!("{found:?}"), "Proxies(none)");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for wrong in [
            "socks5://user:hunter2@proxy.example",
            "http://user:hunter2@",
        ] {
            let (_, problems) = proxies(&[("HTTPS_PROXY", wrong)]);
            let message = problems.to_string();
            assert!(message.starts_with("HTTPS_PROXY: "), "{wrong}: {message}");
            assert!(!message.contains("hunter2"));
        }
    }
}

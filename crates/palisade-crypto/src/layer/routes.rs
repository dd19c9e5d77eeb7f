/// The paths on which a layer works.
#[derive(Debug, Clone)]
pub(super) struct Routes(Vec<Route>);

#[derive(Debug, Clone)]
enum Route {
    Exact(Box<str>),
    /// Everything below, with the slash at its end.
    Below(Box<str>),
}

impl Routes {
    pub(super) fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self(
            paths
                .into_iter()
                .map(|path| match path.as_ref().strip_suffix('*') {
                    Some(below) if below.ends_with('/') => Route::Below(below.into()),
                    _ => Route::Exact(path.as_ref().into()),
                })
                .collect(),
        )
    }

    pub(super) fn contain(&self, path: &str) -> bool {
        self.hold(path) || resolved(path).is_some_and(|path| self.hold(&path))
    }

    fn hold(&self, path: &str) -> bool {
        self.0.iter().any(|route| match route {
            Route::Exact(exact) => **exact == *path,
            Route::Below(below) => path.starts_with(&**below),
        })
    }
}

/// The path that a lenient router may see: percent-encoding decoded, empty steps and dots taken out.
fn resolved(path: &str) -> Option<String> {
    if !(path.contains('%') || path.contains("//") || path.contains("/.")) {
        return None;
    }
    let decoded = decoded(path);
    let mut steps: Vec<&str> = Vec::new();
    for step in decoded.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let mut out = String::with_capacity(decoded.len());
    for step in steps {
        out.push('/');
        out.push_str(step);
    }
    if out.is_empty() || decoded.ends_with('/') {
        out.push('/');
    }
    Some(out)
}

fn decoded(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16);
        let byte = match after {
            [high, low, ..] if *first == b'%' => hex(*high)
                .zip(hex(*low))
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok()),
            _ => None,
        };
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_paths_and_everything_below() {
        let routes = Routes::new(["/partner/*", "/export"]);
        for path in ["/partner/", "/partner/bookings", "/partner/a/b", "/export"] {
            assert!(routes.contain(path), "{path}");
        }
        for path in ["/partner", "/partners/x", "/export/", "/", "/x/partner/y"] {
            assert!(!routes.contain(path), "{path}");
        }
    }

    #[test]
    fn in_doubt_a_path_is_one_of_them() {
        let routes = Routes::new(["/partner/*"]);
        for path in [
            "/p%61rtner/bookings",
            "//partner//bookings",
            "/./partner/x",
            "/public/../partner/x",
            "/partner%2Fx",
            "/partner/../public",
        ] {
            assert!(routes.contain(path), "{path}");
        }
        assert!(!routes.contain("/public/%zz/x"));
    }
}

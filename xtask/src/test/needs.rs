//! The foreign programs that tests start, and the packages whose tests start them.

use super::wanted::Wanted;
use crate::command::Failure;
use crate::tools;

/// A program of a test.
pub(super) struct Need {
    /// The packages whose tests start it.
    packages: &'static [&'static str],
    /// The option that asks for those tests.
    asked: Asked,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Always,
    Full,
    Browser,
}

enum Origin {
    /// A program and the system's package that has it.
    System(&'static str, &'static str),
    /// An environment under `target/`, what is installed into it from PyPI, and a program there.
    Python(&'static str, &'static [&'static str], &'static str),
    /// A folder under `target/`, a program in it, and the system's packages that are unpacked into it.
    Unpacked(&'static str, &'static str, &'static [&'static str]),
    /// A package of crates.io with its version, its program, and the variable that tells tests where that is.
    Cargo(&'static str, &'static str, &'static str, &'static str),
}

const NEEDS: &[Need] = &[
    // A client of gRPC in another language.
    Need {
        packages: &["tonic-server"],
        asked: Asked::Always,
        origin: Origin::Python("grpcio", &["grpcio==1.85.3"], "python"),
    },
    Need {
        packages: &[
            "gateway",
            "palisade-auth",
            "palisade-breaker",
            "palisade-ratelimit",
            "palisade-tests",
            "redis-fleet",
            "sign-in",
        ],
        asked: Asked::Always,
        origin: Origin::System("redis-server", "redis-server"),
    },
    // Serves AWS's interfaces to the official SDKs.
    Need {
        packages: &["palisade-secrets"],
        asked: Asked::Always,
        origin: Origin::Python("moto", &["moto[server]==5.2.5"], "moto_server"),
    },
    // The schema of OCSF as models that validate.
    Need {
        packages: &["palisade-audit"],
        asked: Asked::Always,
        origin: Origin::Python(
            "ocsf",
            &["ocsf-pydantic", "email-validator", "pydantic-extra-types"],
            "python",
        ),
    },
    // Sign and verify JSON Web Tokens.
    Need {
        packages: &["palisade-auth"],
        asked: Asked::Always,
        origin: Origin::Python(
            "jose",
            &["pyjwt[crypto]==2.15.1", "joserfc==1.8.0"],
            "python",
        ),
    },
    Need {
        packages: &["palisade-audit"],
        asked: Asked::Full,
        origin: Origin::System("rsyslogd", "rsyslog"),
    },
    // Its package and rsyslog's exclude each other. The libraries are those that a small machine may lack.
    Need {
        packages: &["palisade-audit"],
        asked: Asked::Full,
        origin: Origin::Unpacked(
            "syslog-ng",
            "usr/sbin/syslog-ng",
            &[
                "syslog-ng-core",
                "libivykis0",
                "libnet1",
                "libpcre3",
                "libglib2.0-0",
                "libjson-c5",
                "libwrap0",
            ],
        ),
    },
    Need {
        packages: &["palisade-audit"],
        asked: Asked::Full,
        origin: Origin::System("strace", "strace"),
    },
    // Vector's remap language.
    Need {
        packages: &["palisade-audit"],
        asked: Asked::Full,
        origin: Origin::Python("vrl", &["vrl-python==0.1.0"], "python"),
    },
    Need {
        packages: &["palisade-tests"],
        asked: Asked::Full,
        origin: Origin::System("promtool", "prometheus"),
    },
    Need {
        packages: &["gateway", "palisade-tests"],
        asked: Asked::Full,
        origin: Origin::System("prometheus", "prometheus"),
    },
    // Hash passwords. passlib 1.7.4 knows no newer bcrypt.
    Need {
        packages: &["palisade-auth"],
        asked: Asked::Full,
        origin: Origin::Python(
            "hashes",
            &[
                "argon2-cffi==25.1.0",
                "bcrypt==4.0.1",
                "django==5.2.19",
                "passlib==1.7.4",
                "werkzeug==3.1.9",
            ],
            "python",
        ),
    },
    // Speaks a part of Vault's interface. It needs OpenSSL's headers, and some 20 minutes to build.
    Need {
        packages: &["palisade-secrets"],
        asked: Asked::Full,
        origin: Origin::Cargo("rusty_vault", "0.2.1", "rvault", "PALISADE_RVAULT"),
    },
    // What the browser's tests load from npm they install by themselves, under the target directory.
    Need {
        packages: &["palisade-headers", "sign-in"],
        asked: Asked::Browser,
        origin: Origin::System("chromium", "chromium"),
    },
    Need {
        packages: &["palisade-headers", "sign-in"],
        asked: Asked::Browser,
        origin: Origin::System("node", "nodejs"),
    },
    Need {
        packages: &["palisade-headers", "sign-in"],
        asked: Asked::Browser,
        origin: Origin::System("npm", "npm"),
    },
];

impl Need {
    /// Whether the tests that are wanted start it.
    fn is_of(&self, wanted: &Wanted<'_>) -> bool {
        let asked = match self.asked {
            Asked::Always => true,
            Asked::Full => wanted.full,
            Asked::Browser => wanted.browser,
        };
        asked
            && wanted
                .package
                .is_none_or(|name| self.packages.contains(&name))
    }

    /// Installs it where it is missing; a variable for the tests, where they need one.
    fn install(&self) -> Result<Option<(&'static str, String)>, Failure> {
        match self.origin {
            Origin::System(program, package) => {
                tools::system(program, package)?;
            }
            Origin::Python(environment, requirements, program) => {
                tools::python_program(environment, requirements, program)?;
            }
            Origin::Unpacked(name, program, packages) => {
                tools::unpacked(name, program, packages)?;
            }
            Origin::Cargo(name, version, program, variable) => {
                let path = tools::cargo_program(name, version, program)?;
                return Ok(Some((variable, path.display().to_string())));
            }
        }
        Ok(None)
    }
}

/// Installs what is missing of what the tests start; the variables that they need.
pub(super) fn install(wanted: &Wanted<'_>) -> Result<Vec<(&'static str, String)>, Failure> {
    let needs = NEEDS.iter().filter(|need| need.is_of(wanted));
    let variables: Result<Vec<_>, _> = needs.map(Need::install).collect();
    Ok(variables?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::command::root;

    /// The names by which the sources of those tests call it.
    fn marks(need: &Need) -> Vec<&'static str> {
        match need.origin {
            Origin::System("redis-server", _) => vec!["redis-server", "palisade_tests::redis"],
            Origin::System("prometheus", _) => vec!["\"prometheus\""],
            Origin::System(program, _) => vec![program],
            Origin::Python("moto", ..) => vec!["moto_server"],
            Origin::Python("ocsf", ..) => vec!["target/ocsf"],
            Origin::Python("jose", ..) => vec!["target/jose"],
            Origin::Python("hashes", ..) => vec!["target/hashes"],
            Origin::Python("vrl", ..) => vec!["target/vrl"],
            Origin::Python(environment, ..) => vec![environment],
            Origin::Unpacked(name, ..) => vec![name],
            Origin::Cargo(.., variable) => vec![variable],
        }
    }

    fn names(wanted: &Wanted<'_>) -> Vec<&'static str> {
        let needs = NEEDS.iter().filter(|need| need.is_of(wanted));
        needs.map(|need| marks(need)[0]).collect()
    }

    #[test]
    fn one_package_installs_what_its_own_tests_start() {
        let audit = |full| Wanted {
            full,
            package: Some("palisade-audit"),
            ..Wanted::default()
        };
        assert_eq!(names(&audit(false)), ["target/ocsf"]);
        assert_eq!(
            names(&audit(true)),
            [
                "target/ocsf",
                "rsyslogd",
                "syslog-ng",
                "strace",
                "target/vrl"
            ]
        );
        let all = Wanted {
            full: true,
            browser: true,
            ..Wanted::default()
        };
        assert_eq!(names(&all).len(), NEEDS.len());
    }

    #[test]
    fn every_package_whose_tests_start_a_program_is_listed_with_it() {
        for home in ["crates", "examples"] {
            for entry in fs::read_dir(root().join(home)).unwrap().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let sources = all_sources(&entry.path().join("tests"));
                // Browsers are named by servers of theirs, too.
                for need in NEEDS.iter().filter(|need| need.asked != Asked::Browser) {
                    let starts = marks(need).into_iter().any(|mark| sources.contains(mark));
                    let listed = need.packages.contains(&name.as_str());
                    assert!(!starts || listed, "{name} starts {:?}", marks(need));
                }
            }
        }
    }

    fn all_sources(dir: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                text.push_str(&all_sources(&path));
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
        text
    }
}

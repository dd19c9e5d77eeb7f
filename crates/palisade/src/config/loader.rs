use std::collections::BTreeMap;
use std::fs;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use super::assembly::Assembly;
use super::environment::Overlay;
use super::error::{ConfigError, Mistake};
use super::file::{Found, Node, Path, Place, Step, Value, nearest, parse, read};
use super::model::{Config, Origin, SECTIONS};
use super::variables::Variables;

/// Reads a [`Config`] from a file and from variables; made by [`Config::loader`].
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is read until `load`"]
pub struct Loader {
    source: Source,
    variables: Variables,
    variables_limit: Option<String>,
    limits: Vec<String>,
    breakers: Vec<String>,
    retries: Vec<String>,
}

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    None,
    File(PathBuf),
    Text(String, String),
}

/// The largest file that is read: far more than any configuration, and little enough to hold.
const LARGEST: u64 = 1 << 20;

impl Config {
    /// Reads this file, and the variables of the process.
    ///
    /// # Errors
    ///
    /// Every mistake in both; see [`ConfigError`].
    pub fn load(path: impl AsRef<FilePath>) -> Result<Self, ConfigError> {
        Self::loader().file(path).environment().load()
    }

    /// Starts to say where a configuration comes from. With nothing said it has no section.
    pub fn loader() -> Loader {
        Loader::default()
    }
}

impl Loader {
    /// Reads this file in TOML, at most 1 MiB.
    pub fn file(mut self, path: impl AsRef<FilePath>) -> Self {
        self.source = Source::File(path.as_ref().to_owned());
        self
    }

    /// Reads this text in TOML instead of a file; `name` stands for the file in errors.
    pub fn text(mut self, name: &str, text: impl Into<String>) -> Self {
        self.source = Source::Text(name.to_owned(), text.into());
        self
    }

    /// Reads the variables of the process, also those that secrets are read from.
    pub fn environment(mut self) -> Self {
        self.variables = Variables::Process;
        self
    }

    /// Reads these variables instead of those of the process.
    pub fn variables<N: Into<String>, V: Into<String>>(
        mut self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let given = variables
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        self.variables = Variables::Given(Arc::new(given.collect::<BTreeMap<_, _>>()));
        self
    }

    /// Sets which limits the variables `RATE_LIMIT_*` are for: the first policy of `limits.NAME`; default `clients`.
    pub fn variables_limit(mut self, name: &str) -> Self {
        self.variables_limit = Some(name.to_owned());
        self
    }

    /// Knows limits of this name, besides `clients` and `principals`, for [`Assembly::rate_limit`].
    pub fn add_limit(mut self, name: &str) -> Self {
        self.limits.push(name.to_owned());
        self
    }

    /// Knows a breaker of this name. Once one is known, others in the file are mistakes.
    pub fn add_breaker(mut self, name: &str) -> Self {
        self.breakers.push(name.to_owned());
        self
    }

    /// Knows retries of this name. Once some are known, others in the file are mistakes.
    pub fn add_retry(mut self, name: &str) -> Self {
        self.retries.push(name.to_owned());
        self
    }

    /// Reads everything, and tries whether each section can be built by itself.
    ///
    /// # Errors
    ///
    /// Every mistake: a file that cannot be read, what is no TOML, unknown keys with the one that was probably meant, values
    /// of another kind or out of range, variables, and what the layers refuse.
    pub fn load(self) -> Result<Config, ConfigError> {
        let (file, text) = match self.text_of_source() {
            Ok(source) => source,
            Err((file, reason)) => {
                let mistake = Mistake::new(Some(file), Place::Nowhere, Path::default(), reason);
                return ConfigError::result(vec![mistake], Config::default());
            }
        };
        let (mut root, syntax) = parse(&text);
        let mut overlay = Overlay {
            root: &mut root,
            variables: &self.variables,
            mistakes: Vec::new(),
        };
        overlay.proxies();
        if cfg!(feature = "headers") {
            overlay.cors();
        }
        if cfg!(feature = "ratelimit") {
            overlay.limit(self.variables_limit.as_deref().unwrap_or("clients"));
        }
        if cfg!(feature = "breaker") {
            overlay.breakers(&self.breakers);
        }
        let of_variables = overlay.mistakes;
        let origin = Origin {
            file,
            root,
            #[cfg(any(feature = "audit", feature = "auth", feature = "crypto"))]
            variables: self.variables.clone(),
        };

        let of_syntax = syntax
            .iter()
            .map(|(line, reason)| origin.mistake_at(Place::Line(*line), reason));
        let mut mistakes: Vec<Mistake> = of_syntax.collect();
        mistakes.extend(
            of_variables
                .iter()
                .map(|(name, reason)| origin.mistake_at(Place::Variable(name), reason)),
        );
        // What a broken line hides, the rest may miss.
        if !syntax.is_empty() {
            return ConfigError::result(mistakes, Config::default());
        }
        let (config, mut found) = read_model(&origin.root);
        found.extend(self.unknown_names(&origin.root));
        let of_values = found
            .iter()
            .map(|found| origin.mistake(&found.path, found.reason.clone()));
        mistakes.extend(of_values);
        let mut config = config.unwrap_or_default();
        config.origin = origin;
        let of_layers = Assembly::new().try_each(&config);
        let own = |mistake: &Mistake| !found.iter().any(|found| found.touches(mistake.path()));
        mistakes.extend(of_layers.into_iter().filter(own));
        mistakes.sort_by_key(|mistake| mistake.line().unwrap_or(usize::MAX));
        ConfigError::result(mistakes, config)
    }

    /// The name and the text of the source.
    fn text_of_source(&self) -> Result<(Option<String>, String), (String, String)> {
        match &self.source {
            Source::None => Ok((None, String::new())),
            Source::Text(name, text) => Ok((Some(name.clone()), text.clone())),
            Source::File(path) => {
                let name = path.display().to_string();
                match text_of(path) {
                    Ok(text) => Ok((Some(name), text)),
                    Err(reason) => Err((name, reason)),
                }
            }
        }
    }

    /// Limits, breakers and retries that nothing would ever ask for.
    fn unknown_names(&self, root: &Node) -> Vec<Found> {
        let mut limits = vec!["clients".to_owned(), "principals".to_owned()];
        limits.extend(self.limits.iter().cloned());
        let known = [
            ("limits", &limits),
            ("breakers", &self.breakers),
            ("retries", &self.retries),
        ];
        let mut found = Vec::new();
        for (section, known) in known {
            let path = Path::of(section);
            let Some(Value::Table(table)) = root.find(&path).map(|node| &node.value) else {
                continue;
            };
            let unknown = table
                .keys()
                .filter(|name| !known.is_empty() && !known.contains(name));
            for name in unknown {
                let near = nearest(name, known.iter().map(String::as_str));
                let reason = match near {
                    Some(near) => format!("nothing has this name; did you mean {near}?"),
                    None => format!("nothing has this name, must be {}", known.join(", ")),
                };
                let path = path.key(name);
                found.push(Found { path, reason });
            }
        }
        found
    }
}

/// Reads the model; a section whose feature is off says so.
fn read_model(root: &Node) -> (Option<Config>, Vec<Found>) {
    let (config, mut found) = read::<Config>(root);
    for found in &mut found {
        if let [Step::Key(section)] = found.path.0.as_slice() {
            for (name, feature, _) in SECTIONS.iter().filter(|(.., on)| !on) {
                if name == section {
                    found.reason =
                        format!("needs the feature {feature} of palisade, which was not built in");
                }
            }
        }
    }
    (config, found)
}

fn text_of(path: &FilePath) -> Result<String, String> {
    let refuse = |error: std::io::Error| format!("cannot be read: {}", error.kind());
    let length = fs::metadata(path).map_err(refuse)?.len();
    if length > LARGEST {
        return Err("is larger than 1 MiB".to_owned());
    }
    fs::read_to_string(path).map_err(refuse)
}

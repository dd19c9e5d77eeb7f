use std::fmt;

/// The place of a value: a line of the file, or the variable that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::config) enum Place {
    /// Nowhere in particular, such as a section that is not there.
    #[default]
    Nowhere,
    /// A line of the file, from 1.
    Line(usize),
    /// A variable of the environment.
    Variable(&'static str),
}

/// A step from a value to one in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::config) enum Step {
    Key(String),
    Index(usize),
}

/// The steps from the root to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(in crate::config) struct Path(pub(in crate::config) Vec<Step>);

impl Path {
    /// The path of keys with dots between them, none of which is quoted.
    pub(in crate::config) fn of(dotted: &str) -> Self {
        let keys = dotted.split('.').filter(|key| !key.is_empty());
        Self(keys.map(|key| Step::Key(key.to_owned())).collect())
    }

    pub(in crate::config) fn join(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.0.push(step);
        longer
    }

    pub(in crate::config) fn key(&self, key: &str) -> Self {
        self.join(Step::Key(key.to_owned()))
    }
}

impl fmt::Display for Path {
    /// As TOML writes it: `limits.clients.policies[0].name`, `routes."POST /sign-in"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if position > 0 {
                        f.write_str(".")?;
                    }
                    match is_bare(key) {
                        true => f.write_str(key)?,
                        false => write!(f, "{key:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

/// Whether TOML writes a key without quotes.
fn is_bare(key: &str) -> bool {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !key.is_empty() && key.bytes().all(bare)
}

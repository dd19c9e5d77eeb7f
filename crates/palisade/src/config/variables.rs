use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The variables that a configuration may look at.
#[derive(Clone, Default)]
pub(super) enum Variables {
    /// None at all.
    #[default]
    None,
    /// Those of the process, as they are when they are asked for.
    Process,
    /// These.
    Given(Arc<BTreeMap<String, String>>),
}

impl Variables {
    /// The value of a variable; one that is set to nothing counts as not set.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.set(name).filter(|value| !value.trim().is_empty())
    }

    /// The value of a variable, also an empty one. What is not UTF-8 must not pass for a variable that is not set.
    pub(super) fn set(&self, name: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Process => {
                std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
            }
            Self::Given(given) => given.get(name).cloned(),
        }
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Process => "Process",
            Self::Given(_) => "Given",
        })
    }
}

/// Whether a text is the name of a variable. Others may be a secret in the wrong place, and are not shown.
pub(super) fn is_name(text: &str) -> bool {
    let of_names = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(of_names)
}

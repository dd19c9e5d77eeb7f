use std::fmt;

/// One thing that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, variable or key, such as `RATE_LIMIT_BURST` or `policies[2].name`.
    pub field: String,
    /// The reason, in words that never repeat a secret value.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Everything that is wrong with a configuration, so that an operator mends it in one go.
///
/// # Example
///
/// ```
/// use palisade_core::Problems;
///
/// let mut problems = Problems::none();
/// problems.push("burst", "is 0, must be at least 1");
/// problems.push("per_second", "is missing");
/// let error = problems.into_result(()).unwrap_err();
/// assert_eq!(error.to_string(), "burst: is 0, must be at least 1; per_second: is missing");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nothing wrong so far.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// One problem.
    #[must_use]
    pub fn one(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let mut problems = Self::none();
        problems.push(field, reason);
        problems
    }

    /// Notes one more problem.
    pub fn push(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.0.push(Problem {
            field: field.into(),
            reason: reason.into(),
        });
    }

    /// Takes over the problems of a part, with `prefix` before the name of each field.
    pub fn append(&mut self, prefix: &str, part: Self) {
        self.0.extend(part.0.into_iter().map(|problem| Problem {
            field: format!("{prefix}{}", problem.field),
            reason: problem.reason,
        }));
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every problem, in the order in which it was found.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// `value` if nothing is wrong.
    ///
    /// # Errors
    ///
    /// Returns the problems if there are any.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

crate::debug_as_display!(Problem, Problems);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_a_part_are_named_by_their_place() {
        let mut problems = Problems::none();
        problems.append("policies[1].", Problems::one("name", "is empty"));
        assert_eq!(problems.to_string(), "policies[1].name: is empty");
    }
}

use std::collections::{BTreeMap, BTreeSet};

use palisade_core::{Principal, Problems};

use crate::AuthError;

/// A hierarchy of roles, such as `user < facilitator < admin`.
///
/// # Example
///
/// ```
/// use palisade_auth::Roles;
/// use palisade_core::Principal;
///
/// let roles = Roles::ladder(["user", "facilitator", "admin"])?;
/// let fay = Principal::user("bookings", "fay").roles(["facilitator"]);
/// assert!(roles.grants(&fay, "user") && !roles.grants(&fay, "admin"));
/// # Ok::<(), palisade_auth::AuthError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// For each role all those that include it, itself among them.
    holders: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

/// Collects which role includes which.
#[derive(Debug, Clone, Default)]
pub struct RolesBuilder(Vec<(Box<str>, Option<Box<str>>)>);

impl Roles {
    /// Roles of which each includes all before it.
    ///
    /// # Errors
    ///
    /// Refuses an empty name, and one that stands there twice.
    pub fn ladder<T: AsRef<str>>(
        lowest_first: impl IntoIterator<Item = T>,
    ) -> Result<Self, AuthError> {
        let mut builder = Self::builder();
        let mut below: Option<T> = None;
        for role in lowest_first {
            builder = match &below {
                Some(below) => builder.includes(role.as_ref(), below.as_ref()),
                None => builder.role(role.as_ref()),
            };
            below = Some(role);
        }
        builder.build()
    }

    /// Starts without any role.
    #[must_use]
    pub fn builder() -> RolesBuilder {
        RolesBuilder::default()
    }

    /// Whether the principal has this role, or one that includes it.
    ///
    /// A role that was never named here is had by whoever was given exactly it.
    #[must_use]
    pub fn grants(&self, principal: &Principal, role: &str) -> bool {
        match self.holders.get(role) {
            Some(holders) => principal.role_names().any(|own| holders.contains(own)),
            None => principal.has_role(role),
        }
    }

    /// The roles that include this one, itself among them.
    pub(crate) fn holders(&self, role: &str) -> Vec<Box<str>> {
        match self.holders.get(role) {
            Some(holders) => holders.iter().cloned().collect(),
            None => {
                tracing::warn!(target: "palisade_auth", role, "a guard asks for a role that is not in the hierarchy");
                vec![role.into()]
            }
        }
    }
}

impl RolesBuilder {
    /// Names a role that stands by itself.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.0.push((role.into(), None));
        self
    }

    /// Says that whoever has `role` has `included` too.
    #[must_use]
    pub fn includes(mut self, role: &str, included: &str) -> Self {
        self.0.push((role.into(), Some(included.into())));
        self
    }

    /// The roles.
    ///
    /// # Errors
    ///
    /// Names every role that is empty, or that includes itself by way of others.
    pub fn build(self) -> Result<Roles, AuthError> {
        let mut above: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (role, included) in &self.0 {
            above.entry(role).or_default();
            if let Some(included) = included {
                above.entry(included).or_default().insert(role);
            }
        }
        let mut problems = Problems::none();
        let mut holders = BTreeMap::new();
        for role in above.keys() {
            if role.is_empty() {
                problems.push("roles", "has an empty name");
            }
            let reached = reachable(&above, role);
            if reached.contains(role) {
                problems.push(format!("roles[{role}]"), "includes itself");
            }
            let all = reached.into_iter().chain([*role]).map(Into::into).collect();
            holders.insert((*role).into(), all);
        }
        Ok(problems.into_result(Roles { holders })?)
    }
}

/// Every role above this one; this one too, if there is a cycle.
fn reachable<'a>(above: &BTreeMap<&'a str, BTreeSet<&'a str>>, role: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![role];
    while let Some(next) = open.pop() {
        for higher in above.get(next).into_iter().flatten() {
            if reached.insert(*higher) {
                open.push(higher);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn having(role: &str) -> Principal {
        Principal::user("iss", "a").roles([role])
    }

    #[test]
    fn a_higher_role_includes_the_lower_ones() {
        let roles = Roles::ladder(["user", "facilitator", "admin"]).unwrap();
        for (own, asked, granted) in [
            ("user", "user", true),
            ("user", "facilitator", false),
            ("facilitator", "user", true),
            ("admin", "user", true),
            ("admin", "facilitator", true),
            ("facilitator", "admin", false),
            ("Admin", "admin", false),
            ("stranger", "user", false),
            ("stranger", "stranger", true),
        ] {
            assert_eq!(
                roles.grants(&having(own), asked),
                granted,
                "{own} as {asked}"
            );
        }
    }

    #[test]
    fn a_role_may_include_several() {
        let roles = Roles::builder()
            .includes("admin", "editor")
            .includes("admin", "auditor")
            .build()
            .unwrap();
        assert!(
            roles.grants(&having("admin"), "auditor") && roles.grants(&having("admin"), "editor")
        );
        assert!(!roles.grants(&having("editor"), "auditor"));
    }

    #[test]
    fn cycles_are_refused_and_named() {
        let cycle = Roles::builder()
            .includes("a", "b")
            .includes("b", "c")
            .includes("c", "a")
            .includes("d", "a")
            .build();
        assert_eq!(
            cycle.unwrap_err().to_string(),
            "roles[a]: includes itself; roles[b]: includes itself; roles[c]: includes itself"
        );
        assert!(Roles::builder().includes("a", "a").build().is_err());
        assert!(Roles::ladder(["user", "admin", "user"]).is_err());
        assert!(Roles::ladder([""]).is_err());
    }
}

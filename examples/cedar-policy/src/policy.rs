//! A guard that asks Cedar.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use axum::http::Method;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use miette::Diagnostic;
use palisade::Principal;
use palisade::auth::Guard;

/// The types, the attributes and the methods that policies may speak of.
const SCHEMA: &str = include_str!("../policies/rooms.cedarschema");

/// Policies that fit the schema.
pub struct Policies {
    authorizer: Authorizer,
    policies: PolicySet,
    actions: HashMap<String, EntityUid>,
}

/// The reasons why policies cannot be used, with the lines where they are.
#[derive(Debug)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

impl Policies {
    /// Reads the policies of a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, that is not written in Cedar, or whose policies could never hold or would fail when they
    /// are asked, because a type, an attribute or an action is not in the schema.
    pub fn open(path: &Path) -> Result<Self, PolicyError> {
        let name = path.display().to_string();
        let text =
            fs::read_to_string(path).map_err(|error| PolicyError(format!("{name}: {error}")))?;
        Self::read(&name, &text)
    }

    /// Reads policies; `name` is what errors call them.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open), but for what concerns the file.
    pub fn read(name: &str, text: &str) -> Result<Self, PolicyError> {
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA)
            .map_err(|error| PolicyError(format!("rooms.cedarschema: {error}")))?;
        let policies = PolicySet::from_str(text).map_err(|errors| {
            PolicyError(explain(name, text, errors.iter().map(|error| error as _)))
        })?;
        let actions = schema.actions();
        let actions = actions.map(|uid| (uid.id().unescaped().to_owned(), uid.clone()));
        let actions = actions.collect();
        let validated = Validator::new(schema).validate(&policies, ValidationMode::Strict);
        if !validated.validation_passed() {
            let errors = validated.validation_errors().map(|error| error as _);
            return Err(PolicyError(explain(name, text, errors)));
        }
        Ok(Self {
            authorizer: Authorizer::new(),
            policies,
            actions,
        })
    }

    /// The guard. Whatever cannot be decided is not allowed.
    pub fn guard(self) -> Guard {
        Guard::policy(move |principal, method, path| {
            self.allows(principal, method, path)
                .unwrap_or_else(|error| {
                    eprintln!("the policies could not be asked: {error}");
                    false
                })
        })
    }

    fn allows(
        &self,
        principal: &Principal,
        method: &Method,
        path: &str,
    ) -> Result<bool, Box<dyn std::error::Error>> {
        // A method that the schema does not know is allowed to nobody, not even by a rule about any action.
        let Some(action) = self.actions.get(method.as_str()) else {
            return Ok(false);
        };
        let user = user(principal)?;
        let path = Entity::new(uid("Path", path)?, text("path", path), HashSet::new())?;
        let request = Request::new(
            user.uid(),
            action.clone(),
            path.uid(),
            Context::empty(),
            None,
        )?;
        let entities = Entities::from_entities([user, path], None)?;
        let answer = self
            .authorizer
            .is_authorized(&request, &self.policies, &entities);
        // Cedar leaves out a policy that fails, also one that forbids.
        if let Some(error) = answer.diagnostics().errors().next() {
            return Err(error.to_string().into());
        }
        Ok(answer.decision() == Decision::Allow)
    }
}

/// A user is an issuer and a subject; the same subject of another issuer is somebody else.
fn user(principal: &Principal) -> Result<Entity, Box<dyn std::error::Error>> {
    let (issuer, subject) = (principal.issuer(), principal.subject());
    let roles: Result<HashSet<_>, _> = principal
        .role_names()
        .map(|role| uid("Role", role))
        .collect();
    let mut attributes = text("issuer", issuer);
    attributes.extend(text("page", &format!("/api/users/{subject}")));
    // The length keeps the two apart, whatever is written in them.
    let name = format!("{}:{issuer}:{subject}", issuer.len());
    Ok(Entity::new(uid("User", &name)?, attributes, roles?)?)
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, Box<dyn std::error::Error>> {
    let kind = EntityTypeName::from_str(kind)?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn text(name: &str, value: &str) -> HashMap<String, RestrictedExpression> {
    let value = RestrictedExpression::new_string(value.to_owned());
    HashMap::from([(name.to_owned(), value)])
}

/// One line for each mistake: the file, the line in it, and Cedar's words.
fn explain<'a>(
    name: &str,
    source: &str,
    mistakes: impl Iterator<Item = &'a (dyn Diagnostic + 'a)>,
) -> String {
    let lines = mistakes.map(|mistake| {
        let place = mistake.labels().and_then(|mut labels| labels.next());
        let before = place.and_then(|place| source.get(..place.offset()));
        let line = before.map(|before| format!(":{}", before.matches('\n').count() + 1));
        format!("{name}{}: {mistake}", line.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}

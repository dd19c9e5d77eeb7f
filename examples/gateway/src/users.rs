//! The demo users.

use palisade::Principal;
use palisade::auth::{AuthError, PasswordError, Passwords};
use palisade::secrets::{ExposeSecret, Secret};

use crate::keys::ISSUER;

/// A user as the gateway knows it before a sign-in.
pub(crate) struct DemoUser {
    pub(crate) name: &'static str,
    pub(crate) role: &'static str,
    pub(crate) scopes: &'static [&'static str],
}

/// One user for each thing that the routes tell apart.
pub(crate) const DEMO: [DemoUser; 4] = [
    DemoUser {
        name: "alice",
        role: "user",
        scopes: &["read", "write"],
    },
    DemoUser {
        name: "rita",
        role: "user",
        scopes: &["read"],
    },
    DemoUser {
        name: "fay",
        role: "facilitator",
        scopes: &["read", "write"],
    },
    DemoUser {
        name: "ada",
        role: "admin",
        scopes: &["read", "write", "admin"],
    },
];

/// A user with the hash of the password.
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) hash: String,
    demo: &'static DemoUser,
}

impl User {
    pub(crate) fn principal(&self) -> Principal {
        Principal::user(ISSUER, self.name)
            .roles([self.demo.role])
            .scopes(self.demo.scopes)
    }
}

/// All users.
pub(crate) struct Users {
    pub(crate) passwords: Passwords,
    users: Vec<User>,
}

/// The reason why the demo users could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("GATEWAY_DEMO_PASSWORD: {0}")]
    Password(#[from] PasswordError),
}

impl Users {
    /// The demo users, all with this password; none without one.
    pub(crate) async fn demo(password: Option<&Secret>) -> Result<Self, UsersError> {
        let passwords = Passwords::builder().build()?;
        let mut users = Vec::new();
        for demo in password.map_or(&[][..], |_| &DEMO[..]) {
            let password = password.map(Secret::expose_secret).unwrap_or_default();
            users.push(User {
                name: demo.name,
                hash: passwords.hash(password).await?,
                demo,
            });
        }
        Ok(Self { passwords, users })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }
}

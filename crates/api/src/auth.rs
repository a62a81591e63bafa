//! Who asks, and what they may do.
//!
//! An [`Authenticator`] turns the `Authorization` header into an [`Identity`], which routes ask for
//! access to databases and collections. [`users`] knows the documents of `_users`, [`token`] the
//! JSON web tokens, [`grants`] the permissions, [`accounts`] puts them together.

pub mod accounts;
pub mod grants;
pub mod token;
pub mod users;

pub use accounts::Accounts;
pub use grants::Grants;
pub use token::Secrets;

use async_trait::async_trait;
use base::{Error, Result, code};
use database::context::Access;
use std::sync::Arc;

/// A caller whose credentials have been checked.
#[derive(Clone, Debug)]
pub struct Identity {
    /// User name; empty for servers of the cluster.
    pub user: String,
    /// Every right: a server of the cluster, or authentication is off.
    pub superuser: bool,
    /// What the user may do.
    pub grants: Arc<Grants>,
    /// If given, the only paths this credential opens.
    pub allowed_paths: Option<Arc<[String]>>,
}

impl Identity {
    /// An identity with every right.
    #[must_use]
    pub fn superuser(user: &str) -> Self {
        Self { user: user.into(), superuser: true, grants: Arc::default(), allowed_paths: None }
    }

    /// Access to a database.
    #[must_use]
    pub fn database(&self, database: &str) -> Access {
        if self.superuser { Access::Write } else { self.grants.database(database) }
    }

    /// Access to a collection.
    ///
    /// Compat: nobody but the servers reads `_users` as a collection; other system collections
    /// follow the database, except `_queues` (read only).
    #[must_use]
    pub fn collection(&self, database: &str, collection: &str) -> Access {
        if self.superuser {
            return Access::Write;
        }
        match collection {
            "_users" if database == "_system" => Access::None,
            "_queues" => self.database(database).min(Access::Read),
            name if name.starts_with('_') => self.database(database),
            name => self.grants.collection(database, name),
        }
    }

    /// May manage users, databases and the server: `rw` on `_system`.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.database("_system") == Access::Write
    }

    /// May this credential be used for the path?
    #[must_use]
    pub fn opens(&self, path: &str) -> bool {
        self.allowed_paths.as_ref().is_none_or(|allowed| allowed.iter().any(|known| known == path))
    }
}

/// Why a request is not let in.
#[derive(Debug)]
pub enum Refusal {
    /// Missing or wrong credentials.
    NotAuthorized,
    /// The header cannot be understood.
    Malformed,
    /// The users cannot be read at the moment.
    Fault(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Fault(error)
    }
}

/// The error of a request without sufficient credentials.
#[must_use]
pub fn not_authorized() -> Error {
    Error::new(code::FORBIDDEN, "not authorized to execute this request").status(401)
}

/// Checks credentials.
#[async_trait]
pub trait Authenticator: Send + Sync + 'static {
    /// Does it ask for credentials at all?
    fn is_on(&self) -> bool;
    /// Who sends this `Authorization` header?
    async fn identify(&self, authorization: Option<&str>) -> Result<Identity, Refusal>;
    /// A token for a user name and password; 401 if they are wrong.
    async fn open_session(&self, user: &str, password: &str, lifetime_s: Option<f64>) -> Result<String>;
    /// A fresh token for somebody who has a valid one.
    fn renew_session(&self, user: &str) -> Result<String>;
    /// Users have changed: forget what was checked before.
    fn forget(&self);
}

/// Authentication is off: everybody is root with every right.
pub struct Disabled(Secrets);

impl Default for Disabled {
    fn default() -> Self {
        Self(Secrets::random())
    }
}

#[async_trait]
impl Authenticator for Disabled {
    fn is_on(&self) -> bool {
        false
    }

    async fn identify(&self, _authorization: Option<&str>) -> Result<Identity, Refusal> {
        Ok(Identity::superuser("root"))
    }

    /// Compat: clients configured with a password log in even where none is asked for.
    async fn open_session(&self, user: &str, _password: &str, lifetime_s: Option<f64>) -> Result<String> {
        self.0.user_token(user, lifetime_s)
    }

    fn renew_session(&self, user: &str) -> Result<String> {
        self.0.user_token(user, None)
    }

    fn forget(&self) {}
}

/// Only servers of the cluster are let in: agents and DB-servers have no users.
pub struct ServersOnly(Secrets);

impl ServersOnly {
    /// With the secret of the cluster.
    #[must_use]
    pub fn new(secrets: Secrets) -> Self {
        Self(secrets)
    }
}

#[async_trait]
impl Authenticator for ServersOnly {
    fn is_on(&self) -> bool {
        true
    }

    async fn identify(&self, authorization: Option<&str>) -> Result<Identity, Refusal> {
        let Some(token) = authorization.and_then(token::bearer) else { return Err(Refusal::NotAuthorized) };
        match self.0.verify(token) {
            Some(claims) if claims.is_superuser() => Ok(claims.superuser_identity()),
            _ => Err(Refusal::NotAuthorized),
        }
    }

    async fn open_session(&self, _user: &str, _password: &str, _lifetime_s: Option<f64>) -> Result<String> {
        Err(Error::from(code::FORBIDDEN))
    }

    fn renew_session(&self, _user: &str) -> Result<String> {
        Err(Error::from(code::FORBIDDEN))
    }

    fn forget(&self) {}
}

//! Authentication by the accounts in `_users`, and the verbs that change accounts.
//!
//! Cost: a checked credential is remembered for a few seconds, so that a busy client costs one
//! look-up per period; a change made through this server takes effect at once, one made through
//! another coordinator within that period.

use super::users::User;
use super::{Authenticator, Identity, Refusal, Secrets, token};
use async_trait::async_trait;
use base::{Error, Result, code};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use database::document::{DocumentOptions, DocumentRequest, Operation};
use database::query::QueryRequest;
use database::{Backend, Context};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use velocypack::Value;

const SYSTEM: &str = "_system";
const USERS: &str = "_users";
/// How long a checked credential is believed.
const REMEMBERED: Duration = Duration::from_secs(5);
/// Most credentials remembered.
const REMEMBERED_MAX: usize = 10_000;
/// Compat: some drivers leave the padding of basic credentials out.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The accounts of an installation.
pub struct Accounts {
    backend: Arc<dyn Backend>,
    secrets: Secrets,
    remembered: RwLock<HashMap<String, Remembered>>,
}

struct Remembered {
    identity: Identity,
    until: Duration,
}

impl Accounts {
    /// Reads users through `backend`; tokens are signed and checked with `secrets`.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, secrets: Secrets) -> Self {
        Self { backend, secrets, remembered: RwLock::default() }
    }

    fn recall(&self, authorization: &str) -> Option<Identity> {
        let remembered = self.remembered.read();
        let found = remembered.get(authorization)?;
        (found.until > rt::clock::monotonic()).then(|| found.identity.clone())
    }

    fn remember(&self, authorization: &str, identity: &Identity, lifetime: Duration) {
        let mut remembered = self.remembered.write();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        let until = rt::clock::monotonic() + lifetime;
        remembered.insert(authorization.to_owned(), Remembered { identity: identity.clone(), until });
    }

    async fn check(&self, authorization: &str) -> Result<(Identity, Duration), Refusal> {
        if let Some(text) = token::bearer(authorization) {
            let claims = self.secrets.verify(text).ok_or(Refusal::NotAuthorized)?;
            let left_s = claims.expires_s().map_or(f64::MAX, |expires| expires - rt::clock::now_ms() as f64 / 1000.0);
            let lifetime = REMEMBERED.min(Duration::try_from_secs_f64(left_s.max(0.0)).unwrap_or(Duration::MAX));
            if claims.is_superuser() {
                return Ok((claims.superuser_identity(), lifetime));
            }
            let user = self.active(claims.user().ok_or(Refusal::NotAuthorized)?).await?;
            return Ok((Identity { allowed_paths: claims.paths(), ..identity(&user) }, lifetime));
        }
        let (name, password) = basic(authorization).ok_or(Refusal::Malformed)?;
        let user = self.active(&name).await?;
        if user.has_password(&password) { Ok((identity(&user), REMEMBERED)) } else { Err(Refusal::NotAuthorized) }
    }

    async fn active(&self, name: &str) -> Result<User, Refusal> {
        match find(self.backend.as_ref(), name).await {
            Ok(user) if user.is_active() => Ok(user),
            Ok(_) => Err(Refusal::NotAuthorized),
            Err(error) if error.code() == code::USER_NOT_FOUND => Err(Refusal::NotAuthorized),
            Err(error) => Err(Refusal::Fault(error)),
        }
    }
}

#[async_trait]
impl Authenticator for Accounts {
    fn is_on(&self) -> bool {
        true
    }

    async fn identify(&self, authorization: Option<&str>) -> Result<Identity, Refusal> {
        let authorization = authorization.ok_or(Refusal::NotAuthorized)?;
        if let Some(identity) = self.recall(authorization) {
            return Ok(identity);
        }
        let (identity, lifetime) = self.check(authorization).await?;
        self.remember(authorization, &identity, lifetime);
        Ok(identity)
    }

    async fn open_session(&self, user: &str, password: &str, lifetime_s: Option<f64>) -> Result<String> {
        let wrong = || Error::new(code::HTTP_UNAUTHORIZED, "Wrong credentials");
        match self.active(user).await {
            Ok(found) if found.has_password(password) => self.secrets.user_token(user, lifetime_s),
            Ok(_) | Err(Refusal::NotAuthorized | Refusal::Malformed) => Err(wrong()),
            Err(Refusal::Fault(error)) => Err(error),
        }
    }

    fn renew_session(&self, user: &str) -> Result<String> {
        self.secrets.user_token(user, None)
    }

    fn forget(&self) {
        self.remembered.write().clear();
    }
}

fn identity(user: &User) -> Identity {
    Identity { user: user.name().to_owned(), superuser: false, grants: Arc::new(user.grants()), allowed_paths: None }
}

/// User name and password of a basic header.
fn basic(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// One user; 1703 if there is none of that name.
///
/// # Errors
/// As said, and whatever keeps the users from being read.
pub async fn find(backend: &dyn Backend, name: &str) -> Result<User> {
    let bind = Value::object([("name", Value::string(name))]);
    let query = QueryRequest::new("FOR u IN _users FILTER u.user == @name LIMIT 1 RETURN u", bind);
    let found = backend.open_cursor(&Context::superuser(), SYSTEM, query).await?;
    let user = found.rows.first().and_then(|row| User::from_document(row.to_serde()));
    user.ok_or_else(|| Error::from(code::USER_NOT_FOUND))
}

/// All users, sorted by name.
///
/// # Errors
/// Whatever keeps the users from being read.
pub async fn list(backend: &dyn Backend) -> Result<Vec<User>> {
    let cx = Context::superuser();
    let query = QueryRequest::new("FOR u IN _users SORT u.user RETURN u", Value::empty_object());
    let mut batch = backend.open_cursor(&cx, SYSTEM, query).await?;
    let mut users = Vec::new();
    loop {
        users.extend(batch.rows.iter().filter_map(|row| User::from_document(row.to_serde())));
        match (&batch.id, batch.has_more) {
            (Some(id), true) => batch = backend.next_batch(&cx, SYSTEM, id, None).await?,
            _ => return Ok(users),
        }
    }
}

/// Stores a new user; 1702 if the name is taken.
///
/// # Errors
/// As said, and whatever keeps the user from being stored.
pub async fn create(backend: &dyn Backend, user: &User) -> Result<()> {
    match find(backend, user.name()).await {
        Ok(_) => return Err(Error::from(code::USER_DUPLICATE)),
        Err(error) if error.code() == code::USER_NOT_FOUND => {}
        Err(error) => return Err(error),
    }
    let duplicate = |error: Error| {
        if error.code() == code::ARANGO_UNIQUE_CONSTRAINT_VIOLATED { Error::from(code::USER_DUPLICATE) } else { error }
    };
    change(backend, Operation::Insert, &user.document()).await.map_err(duplicate)
}

/// Stores a changed user.
///
/// # Errors
/// Whatever keeps the user from being stored.
pub async fn store(backend: &dyn Backend, user: &User) -> Result<()> {
    change(backend, Operation::Replace, &user.document()).await
}

/// Removes a user.
///
/// # Errors
/// Whatever keeps the user from being removed.
pub async fn remove(backend: &dyn Backend, user: &User) -> Result<()> {
    change(backend, Operation::Remove, &serde_json::json!({"_key": user.key()})).await
}

async fn change(backend: &dyn Backend, operation: Operation, document: &serde_json::Value) -> Result<()> {
    let request = DocumentRequest { operation, documents: vec![Value::from_serde(document)], options: DocumentOptions::default() };
    let results = backend.documents(&Context::superuser(), SYSTEM, USERS, request).await?;
    match results.items.into_iter().next() {
        Some(outcome) => outcome.map(|_| ()),
        None => Err(Error::internal("no outcome of a single operation")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    fn accounts() -> (Arc<Script>, Accounts) {
        let script = Arc::new(Script::default());
        let mut user = User::new("anna", "secret").unwrap().document();
        user["_key"] = "1".into();
        script.rows(vec![Value::from_serde(&user)]);
        let backend: Arc<dyn Backend> = Arc::clone(&script) as Arc<dyn Backend>;
        (Arc::clone(&script), Accounts::new(backend, Secrets::random()))
    }

    fn header(user: &str, password: &str) -> String {
        format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
    }

    #[tokio::test]
    async fn basic_credentials_are_checked_and_remembered() {
        let (script, accounts) = accounts();
        let right = header("anna", "secret");
        assert_eq!(accounts.identify(Some(&right)).await.unwrap().user, "anna");
        assert!(matches!(accounts.identify(Some(&header("anna", "wrong"))).await, Err(Refusal::NotAuthorized)));
        assert!(matches!(accounts.identify(None).await, Err(Refusal::NotAuthorized)));
        assert!(matches!(accounts.identify(Some("Digest x")).await, Err(Refusal::Malformed)));
        // Without padding, and still known although the user is gone, until told to forget.
        assert!(accounts.identify(Some(right.trim_end_matches('='))).await.is_ok());
        script.rows(Vec::new());
        assert!(accounts.identify(Some(&right)).await.is_ok());
        accounts.forget();
        assert!(matches!(accounts.identify(Some(&right)).await, Err(Refusal::NotAuthorized)));
    }

    #[tokio::test]
    async fn sessions() {
        let (_, accounts) = accounts();
        let token = accounts.open_session("anna", "secret", None).await.unwrap();
        let identity = accounts.identify(Some(&format!("bearer {token}"))).await.unwrap();
        assert_eq!((identity.user.as_str(), identity.superuser), ("anna", false));
        let refused = accounts.open_session("anna", "wrong", None).await.unwrap_err();
        assert_eq!((refused.http_status(), refused.code()), (401, code::HTTP_UNAUTHORIZED));
        let server = accounts.secrets.server_token("PRMR-1").unwrap();
        assert!(accounts.identify(Some(&format!("Bearer {server}"))).await.unwrap().superuser);
        let foreign = Secrets::random().server_token("x").unwrap();
        assert!(matches!(accounts.identify(Some(&format!("Bearer {foreign}"))).await, Err(Refusal::NotAuthorized)));
    }
}

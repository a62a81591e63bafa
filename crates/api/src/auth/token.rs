//! JSON web tokens (HS256): made for users by `/_open/auth`, and for servers by themselves.

use super::Identity;
use base::{Error, Result};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Seconds a user's token lives unless told otherwise.
pub const LIFETIME_S_DEFAULT: f64 = 3600.0;

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    iss: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preferred_username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    server_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowed_paths: Option<Vec<String>>,
}

impl Claims {
    /// A server of the cluster, with every right.
    #[must_use]
    pub fn is_superuser(&self) -> bool {
        self.server_id.is_some() && self.preferred_username.is_none()
    }

    /// The user the token was made for.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.preferred_username.as_deref()
    }

    /// Second since 1970 from which on it is worthless.
    #[must_use]
    pub fn expires_s(&self) -> Option<f64> {
        self.exp
    }

    /// The identity of a server's token.
    #[must_use]
    pub fn superuser_identity(&self) -> Identity {
        Identity { allowed_paths: self.paths(), ..Identity::superuser("") }
    }

    /// The only paths the token opens.
    #[must_use]
    pub fn paths(&self) -> Option<Arc<[String]>> {
        self.allowed_paths.as_ref().map(|paths| paths.clone().into())
    }
}

/// The secrets of the cluster: the first signs, all are accepted.
#[derive(Clone)]
pub struct Secrets(Arc<[Vec<u8>]>);

impl Secrets {
    /// From the contents of the secret files, the active one first.
    ///
    /// # Errors
    /// There is none.
    pub fn new(secrets: Vec<Vec<u8>>) -> Result<Self> {
        if secrets.is_empty() {
            return Err(Error::bad_parameter("no JWT secret"));
        }
        Ok(Self(secrets.into()))
    }

    /// A secret nobody else knows, for a server on its own.
    #[must_use]
    pub fn random() -> Self {
        let secret: [u8; 32] = rand::random();
        Self(vec![secret.to_vec()].into())
    }

    /// The token of a server, with every right; it does not expire.
    ///
    /// # Errors
    /// None that can be provoked from outside.
    pub fn server_token(&self, server_id: &str) -> Result<String> {
        self.sign(&Claims { server_id: Some(server_id.to_owned()), ..claims(None) })
    }

    /// A token of a user.
    ///
    /// # Errors
    /// None that can be provoked from outside.
    pub fn user_token(&self, user: &str, lifetime_s: Option<f64>) -> Result<String> {
        self.sign(&Claims { preferred_username: Some(user.to_owned()), ..claims(Some(lifetime_s.unwrap_or(LIFETIME_S_DEFAULT))) })
    }

    /// What a token says, if one of the secrets signed it and it has not expired.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Claims> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.leeway = 0;
        // Done below: the library insists on whole seconds.
        validation.validate_exp = false;
        validation.set_issuer(&["arangodb"]);
        let claims = self.0.iter().find_map(|secret| decode::<Claims>(token, &DecodingKey::from_secret(secret), &validation).ok())?.claims;
        claims.exp.is_none_or(|expires| expires > now_s()).then_some(claims)
    }

    fn sign(&self, claims: &Claims) -> Result<String> {
        let Some(secret) = self.0.first() else { return Err(Error::internal("no JWT secret")) };
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
            .map_err(|error| Error::internal(error.to_string()))
    }
}

/// The token of a `bearer` header (the scheme's case does not matter).
#[must_use]
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn claims(lifetime_s: Option<f64>) -> Claims {
    let now = now_s().floor();
    Claims {
        iss: "arangodb".into(),
        preferred_username: None,
        server_id: None,
        iat: Some(now),
        exp: lifetime_s.map(|lifetime| (now + lifetime).ceil()),
        allowed_paths: None,
    }
}

fn now_s() -> f64 {
    rt::clock::now_ms() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn tokens_are_verified() {
        let secrets = Secrets::new(vec![b"new".to_vec(), b"old".to_vec()]).unwrap();
        let user = secrets.verify(&secrets.user_token("anna", None).unwrap()).unwrap();
        assert_eq!((user.user(), user.is_superuser()), (Some("anna"), false));
        let server = secrets.verify(&secrets.server_token("PRMR-1").unwrap()).unwrap();
        assert!(server.is_superuser());
        let older = Secrets::new(vec![b"old".to_vec()]).unwrap().server_token("x").unwrap();
        assert!(secrets.verify(&older).is_some());
        assert!(secrets.verify(&Secrets::random().server_token("x").unwrap()).is_none());
        assert!(secrets.verify(&secrets.user_token("anna", Some(-10.0)).unwrap()).is_none());
        assert!(secrets.verify("a.b.c").is_none());
    }

    /// Python's clients read the claims and insist on whole numbers.
    #[test]
    fn times_are_whole_numbers() {
        let token = Secrets::random().user_token("anna", None).unwrap();
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(claims["iss"], "arangodb");
        let lifetime = claims["exp"].as_f64().unwrap() - claims["iat"].as_f64().unwrap();
        assert!((lifetime - LIFETIME_S_DEFAULT).abs() < 1.5, "{lifetime}");
    }

    #[test]
    fn bearer_in_any_case() {
        assert_eq!(bearer("bearer x.y"), Some("x.y"));
        assert_eq!(bearer("Bearer  x.y "), Some("x.y"));
        assert_eq!(bearer("Basic x"), None);
        assert_eq!(bearer("bearer"), None);
    }
}

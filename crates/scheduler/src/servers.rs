//! What the scheduler says to the servers: are you ready, which id have you, whose secondary is
//! this, how many are you. Thin: one request each, the machine decides when to repeat it.

use crate::task::{Kind, Task};
use jsonwebtoken::{EncodingKey, Header};
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Client, ClientOptions, HeaderMap, HeaderValue, Method, Response, header};
use serde_json::{Value as Json, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(10);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// Redirects followed on the way to the leader of the agency.
const REDIRECTS_MAX: usize = 5;

/// Client for all servers of the cluster.
#[derive(Clone)]
pub struct Servers {
    client: Client,
    secret: Option<String>,
}

/// Answer to the question whether a server is ready.
pub struct Ready {
    /// Id in the cluster, if the server says it.
    pub server_id: Option<String>,
}

impl Servers {
    /// A client; with a secret it signs its requests as a superuser.
    pub fn new(secret: Option<String>) -> Self {
        let options = ClientOptions { connect_timeout: Duration::from_secs(1), ..ClientOptions::default() };
        Self { client: Client::new(options), secret }
    }

    /// Whether a server is ready for its work: an agent knows a leader, a coordinator is available,
    /// another server answers at all.
    pub async fn probe(&self, task: &Task) -> Option<Ready> {
        match task.kind {
            Kind::Agent => {
                let config = self.get(task, "/_api/agency/config").await?;
                let has_leader = config.get("leaderId").and_then(Json::as_str).is_some_and(|leader| !leader.is_empty());
                has_leader.then_some(Ready { server_id: None })
            }
            Kind::Secondary => self.get(task, "/_api/version").await.map(|_| Ready { server_id: None }),
            Kind::Single => self.get(task, "/_admin/server/availability").await.map(|_| Ready { server_id: None }),
            Kind::Coordinator => {
                self.get(task, "/_admin/server/availability").await?;
                Some(Ready { server_id: self.id(task).await })
            }
            Kind::Primary => {
                self.get(task, "/_api/version").await?;
                let id = self.id(task).await?;
                Some(Ready { server_id: Some(id) })
            }
        }
    }

    /// Writes `Plan/DBServers/<primary> = secondary` under the same precondition as
    /// `replaceSecondary` on a coordinator, which does not run yet (S104 comes before S106).
    pub async fn link(&self, agents: &[Task], primary: &str, secondary: &str) -> Result<(), String> {
        let path = format!("/arango/Plan/DBServers/{primary}");
        let change = json!({ &path: { "op": "set", "new": secondary }, "/arango/Plan/Version": { "op": "increment" } });
        let response = self.agency(agents, "/_api/agency/write", &json!([[change, { &path: { "old": "none" } }]])).await?;
        match response.status {
            200 => Ok(()),
            412 => self.check_link(agents, primary, secondary).await,
            status => Err(format!("the agency answered {status}: {}", String::from_utf8_lossy(&response.body))),
        }
    }

    /// The link may be there already, or turned round by a swap of the two.
    async fn check_link(&self, agents: &[Task], primary: &str, secondary: &str) -> Result<(), String> {
        let response = self.agency(agents, "/_api/agency/read", &json!([["/arango/Plan/DBServers"]])).await?;
        let tree: Json = serde_json::from_slice(&response.body).map_err(|error| format!("the agency's answer is no JSON: {error}"))?;
        let planned = tree.pointer("/0/arango/Plan/DBServers").unwrap_or(&Json::Null);
        match planned.get(primary).and_then(Json::as_str) {
            Some(present) if present == secondary => Ok(()),
            _ if planned.get(secondary).is_some() => Ok(()),
            Some(present) => Err(format!("{primary} has another secondary: {present}")),
            None => Err(format!("{primary} is not registered")),
        }
    }

    /// Tells a coordinator how many servers the cluster has (S107).
    pub async fn initialise(&self, coordinator: &Task, dbservers: usize, coordinators: usize) -> Result<(), String> {
        let body = json!({ "numberOfDBServers": dbservers, "numberOfCoordinators": coordinators });
        let response = self.send(&coordinator.endpoint(), Method::PUT, "/_admin/cluster/numberOfServers", &body, TIMEOUT).await?;
        match response.status {
            200..300 => Ok(()),
            status => Err(format!("{} answered {status}: {}", coordinator.name, String::from_utf8_lossy(&response.body))),
        }
    }

    async fn id(&self, task: &Task) -> Option<String> {
        let answer = self.get(task, "/_admin/server/id").await?;
        answer.get("id").and_then(Json::as_str).map(str::to_owned)
    }

    async fn get(&self, task: &Task, path: &str) -> Option<Json> {
        let response = self.send(&task.endpoint(), Method::GET, path, &Json::Null, PROBE_TIMEOUT).await.ok()?;
        (response.status == 200).then(|| serde_json::from_slice(&response.body).unwrap_or(Json::Null))
    }

    /// Asks one agent after the other; follows redirects to the leader.
    async fn agency(&self, agents: &[Task], path: &str, body: &Json) -> Result<Response, String> {
        let mut last = "there is no agent".to_owned();
        for agent in agents {
            let mut endpoint = agent.endpoint();
            for _ in 0..REDIRECTS_MAX {
                match self.send(&endpoint, Method::POST, path, body, TIMEOUT).await {
                    Ok(response) if matches!(response.status, 307 | 308) => match response.header("location").and_then(host_of) {
                        Some(leader) => endpoint = leader,
                        None => break,
                    },
                    Ok(response) if response.status == 503 => {
                        last = format!("{} knows no leader", agent.name);
                        break;
                    }
                    Ok(response) => return Ok(response),
                    Err(error) => {
                        last = error;
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    async fn send(&self, endpoint: &str, method: Method, path: &str, body: &Json, timeout: Duration) -> Result<Response, String> {
        let endpoint = Endpoint::parse(endpoint).map_err(|error| error.message().to_owned())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = self.token() {
            let value = HeaderValue::try_from(format!("bearer {token}")).map_err(|error| error.to_string())?;
            headers.insert(header::AUTHORIZATION, value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.client.send(&endpoint, method, path, headers, body, timeout).await.map_err(|error| format!("{endpoint}: {error}"))
    }

    /// A superuser's token; it lives longer than the request it is made for.
    fn token(&self) -> Option<String> {
        let secret = self.secret.as_ref()?;
        let now_s = rt::clock::now_ms() / 1000;
        let claims = json!({ "iss": "arangodb", "server_id": "arangodb-scheduler", "iat": now_s, "exp": now_s + 3600 });
        jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).ok()
    }
}

/// `http://host:port` of a full address.
fn host_of(location: &str) -> Option<String> {
    let (scheme, rest) = location.split_once("://")?;
    let host = rest.split('/').next()?;
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_is_found_in_a_redirect() {
        assert_eq!(host_of("http://127.0.0.1:8541/_api/agency/write").as_deref(), Some("http://127.0.0.1:8541"));
        assert_eq!(host_of("nonsense"), None);
    }
}

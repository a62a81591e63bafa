//! The way in: from an HTTP request to a [`Call`] of a route and back.

use crate::auth::{Authenticator, Identity, Refusal, not_authorized};
use crate::call::Call;
use crate::options::ApiOptions;
use crate::path::{SYSTEM_DATABASE, Target};
use crate::reply::{Format, Reply};
use crate::state::State;
use crate::{encoding, routes};
use async_trait::async_trait;
use base::{Error, Result, code};
use database::backend::Role;
use database::context::Access;
use database::transaction::TransactionId;
use database::{Backend, Context};
use rt::http::{Handler, HeaderName, HeaderValue, Method, Request, Response, header};
use std::sync::Arc;

const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
const EXPOSED: &str = "etag, content-encoding, content-length, location, server, x-arango-errors, x-arango-async-id";
const ASYNC_ID: HeaderName = HeaderName::from_static("x-arango-async-id");
const QUEUE_TIME: HeaderName = HeaderName::from_static("x-arango-queue-time-seconds");
const DIRTY_READ: HeaderName = HeaderName::from_static("x-arango-potential-dirty-read");

/// Who may use a mounted handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Everybody.
    Open,
    /// Servers of the cluster (everybody while authentication is off).
    Superuser,
}

/// The HTTP API of one server.
pub struct Api {
    state: Arc<State>,
    mounts: Vec<Mount>,
}

struct Mount {
    prefix: String,
    guard: Guard,
    handler: Arc<dyn Handler>,
}

impl Api {
    /// Answers requests with `backend`, for callers that `authenticator` knows.
    #[must_use]
    pub fn new(backend: Arc<dyn Backend>, options: ApiOptions, authenticator: Arc<dyn Authenticator>) -> Self {
        Self { state: Arc::new(State::new(backend, options, authenticator)), mounts: Vec::new() }
    }

    /// Gives all paths that begin with `prefix` (after `/_db/NAME`, if any) to another handler,
    /// which sees the request as it came.
    #[must_use]
    pub fn mount(mut self, prefix: &str, guard: Guard, handler: Arc<dyn Handler>) -> Self {
        self.mounts.push(Mount { prefix: prefix.trim_end_matches('/').to_owned(), guard, handler });
        self
    }

    fn mounted(&self, parts: &[String]) -> Option<&Mount> {
        if self.mounts.is_empty() {
            return None;
        }
        let path = format!("/{}", parts.join("/"));
        self.mounts.iter().find(|mount| {
            path.strip_prefix(&mount.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || mount.prefix.is_empty())
        })
    }

    async fn answer(&self, mut request: Request) -> Response {
        let format = Format::accepted(&request.headers);
        let failed = |error: Error| Reply::error(&error).into_response(format);
        if request.method == Method::OPTIONS {
            return Reply::empty(200).header(header::ALLOW, METHODS).into_response(format);
        }
        let parts = request.segments();
        if parts.is_empty() {
            return Reply::empty(302).header(header::LOCATION, &self.state.options.root_redirect).into_response(format);
        }
        let target = match Target::new(parts) {
            Ok(target) => target,
            Err(error) => return failed(error),
        };
        let mounted = self.mounted(&target.parts);
        if let Some(Mount { guard: Guard::Open, handler, .. }) = mounted {
            return handler.handle(request).await;
        }
        let identity = match self.identify(&request, &target).await {
            Ok(identity) => identity,
            Err(refused) => return refused.into_response(format),
        };
        if let Some(mount) = mounted {
            return if identity.superuser { mount.handler.handle(request).await } else { failed(Error::from(code::FORBIDDEN)) };
        }
        if let Err(error) = encoding::decompress(&mut request, self.state.options.body_bytes_max) {
            return failed(error);
        }
        let cx = match context(&request, &identity) {
            Ok(cx) => cx,
            Err(error) => return failed(error),
        };
        let call = Call { state: Arc::clone(&self.state), request, database: target.database, cx, identity, format };
        self.dispatch(call, target.parts).await
    }

    /// Finds out who asks. Open paths are answered for anybody.
    async fn identify(&self, request: &Request, target: &Target) -> Result<Identity, Reply> {
        let authenticator = &self.state.authenticator;
        if routes::is_open(&request.method, &target.parts) {
            let open = Identity { superuser: false, ..Identity::superuser("") };
            return Ok(if authenticator.is_on() { open } else { Identity::superuser("root") });
        }
        let identity = match authenticator.identify(request.header("authorization")).await {
            Ok(identity) => identity,
            Err(refusal) => return Err(self.refuse(request, refusal)),
        };
        if !identity.opens(&request.path) || identity.database(&target.database) == Access::None && !routes::is_own_account(&target.parts) {
            return Err(self.refuse(request, Refusal::NotAuthorized));
        }
        if authenticator.is_on() && identity.superuser {
            self.state.measures.superuser.increment();
        }
        Ok(identity)
    }

    fn refuse(&self, request: &Request, refusal: Refusal) -> Reply {
        let reply = match refusal {
            Refusal::NotAuthorized => Reply::error(&not_authorized()),
            Refusal::Malformed => Reply::empty(401),
            Refusal::Fault(error) => return Reply::error(&error),
        };
        self.state.measures.auth_failed.increment();
        if request.header("x-omit-www-authenticate").is_some() {
            return reply;
        }
        reply.header(header::WWW_AUTHENTICATE, "Bearer token_type=\"JWT\", realm=\"ArangoDB\"")
    }

    async fn dispatch(&self, call: Call, parts: Vec<String>) -> Response {
        let asynchronous = call.request.header("x-arango-async").map(str::to_ascii_lowercase);
        let is_job = parts.get(1).is_some_and(|part| part == "job");
        match asynchronous.as_deref() {
            Some("true" | "store") if !is_job => self.dispatch_job(call, parts, asynchronous.as_deref() == Some("store")),
            _ => run(call, parts).await,
        }
    }

    fn dispatch_job(&self, call: Call, parts: Vec<String>, is_kept: bool) -> Response {
        self.state.measures.asynchronous.increment();
        let (user, format) = (call.identity.user.clone(), call.format);
        let state = Arc::clone(&self.state);
        let started = state.jobs.start(&user, run(call, parts));
        let id = match started {
            Ok(id) => id,
            Err(error) => return Reply::error(&error).into_response(format),
        };
        if !is_kept {
            state.jobs.abandon(id);
            return Reply::empty(202).into_response(format);
        }
        Reply::empty(202).header(ASYNC_ID, &id.to_string()).into_response(format)
    }
}

/// Runs the route of a call.
async fn run(call: Call, parts: Vec<String>) -> Response {
    let format = call.format;
    let dirty_read = call.cx.dirty_read && call.backend().role() == Role::Coordinator;
    let answered = match known_database(&call).await {
        Ok(()) => routes::route(&call, &parts).await,
        Err(error) => Err(error),
    };
    let reply = match answered {
        Ok(reply) if dirty_read => reply.header(DIRTY_READ, "true"),
        Ok(reply) => reply,
        Err(error) => {
            log(&call, &error);
            Reply::error(&error)
        }
    };
    reply.into_response(format)
}

/// 1228 unless the database of the path exists. `_system` always does.
async fn known_database(call: &Call) -> Result<()> {
    if call.database == SYSTEM_DATABASE {
        return Ok(());
    }
    call.backend().database(&call.cx, &call.database).await.map(|_| ())
}

/// Faults of ours are logged where they are answered; a client's mistakes are not.
fn log(call: &Call, error: &Error) {
    if error.http_status() >= 500 && error.code() != code::NOT_IMPLEMENTED {
        tracing::warn!("{} {}: {error}", call.request.method, call.request.path);
    }
}

fn context(request: &Request, identity: &Identity) -> Result<Context> {
    let transaction = match request.header("x-arango-trx-id") {
        None => None,
        Some(text) => {
            let id = text.trim().parse().map_err(|_| Error::bad_parameter(format!("illegal transaction id '{text}'")))?;
            Some(TransactionId(id))
        }
    };
    let dirty_read = request.header("x-arango-allow-dirty-read").is_some_and(crate::call::is_true);
    Ok(Context { user: identity.user.clone(), superuser: identity.superuser, transaction, dirty_read })
}

#[async_trait]
impl Handler for Api {
    async fn handle(&self, request: Request) -> Response {
        let began = rt::clock::monotonic();
        self.state.measures.begin(&request.method, request.body.len());
        let counted = Counted { state: &self.state, began };
        let sent = |name: HeaderName| request.headers.get(name).cloned();
        let (origin, asked) = (sent(header::ORIGIN), sent(header::ACCESS_CONTROL_REQUEST_HEADERS));
        let accepted = sent(header::ACCEPT_ENCODING);
        let mut response = self.answer(request).await;
        add_standard_headers(&mut response);
        if let Some(origin) = &origin {
            self.add_cors(&mut response, origin, asked.as_ref());
        }
        encoding::compress(&mut response, accepted.as_ref(), self.state.options.compress_bytes_min);
        counted.end(response.body.len());
        response
    }
}

/// Keeps the number of running requests right even if the client goes away in between.
struct Counted<'a> {
    state: &'a State,
    began: std::time::Duration,
}

impl Counted<'_> {
    fn end(self, sent: usize) {
        let time = rt::clock::monotonic().saturating_sub(self.began);
        self.state.measures.end(time, sent);
        std::mem::forget(self);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.state.measures.in_progress.add(-1);
    }
}

impl Api {
    fn add_cors(&self, response: &mut Response, origin: &HeaderValue, asked: Option<&HeaderValue>) {
        let is_trusted = origin.to_str().is_ok_and(|origin| {
            self.state
                .options
                .trusted_origins
                .iter()
                .any(|known| known == "*" || known.trim_end_matches('/') == origin.trim_end_matches('/'))
        });
        let headers = &mut response.headers;
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let credentials = HeaderValue::from_static(if is_trusted { "true" } else { "false" });
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("1800"));
        if let Some(asked) = asked {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
    }
}

fn add_standard_headers(response: &mut Response) {
    let headers = &mut response.headers;
    headers.insert(header::SERVER, HeaderValue::from_static("ArangoDB"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
    }
    // Requests begin as soon as they have arrived: there is no queue to wait in.
    headers.insert(QUEUE_TIME, HeaderValue::from_static("0.000000"));
}

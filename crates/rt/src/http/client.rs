//! The HTTP client: pooled keep-alive connections per endpoint.
//!
//! Servers call each other constantly with small requests, so the pool hands out the connection
//! used last and a request costs no look-up beyond one lock. Whoever calls must know what a
//! failure means: [`SendError::NotSent`] may be tried elsewhere, [`SendError::Unknown`] may have
//! been carried out.

use super::stream::Stream;
use super::{Bytes, HeaderMap, HeaderValue, Method, Response, header, tls};
use crate::endpoint::Endpoint;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpStream, UnixStream};

/// Settings of a [`Client`].
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Connections unused for so long are closed; must be shorter than the server's own limit.
    pub idle_timeout: Duration,
    /// Most unused connections kept per endpoint.
    pub idle_connections_max: usize,
    /// Largest body of an answer.
    pub body_bytes_max: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(60),
            idle_connections_max: 64,
            body_bytes_max: 1 << 30,
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The request has surely not been processed.
    NotSent(String),
    /// The request may have been processed.
    Unknown(String),
    /// No answer in time; the request may have been processed.
    Timeout,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) => write!(f, "request could not be sent: {why}"),
            Self::Unknown(why) => write!(f, "connection broke before the answer: {why}"),
            Self::Timeout => f.write_str("no answer in time"),
        }
    }
}

impl std::error::Error for SendError {}

/// An HTTP client; clones share its connections.
#[derive(Clone)]
pub struct Client(Arc<Pool>);

struct Pool {
    options: ClientOptions,
    idle: Mutex<HashMap<Endpoint, Vec<Idle>>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

type Connection = http1::SendRequest<Full<Bytes>>;
type Outgoing = hyper::Request<Full<Bytes>>;

/// Parts of one request that outlive a connection that turned out to be closed.
enum Failed {
    /// Not a byte went out: the request is back.
    Unsent(Box<Outgoing>, String),
    Final(SendError),
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        Self(Arc::new(Pool { options, idle: Mutex::default() }))
    }

    /// Sends a request and waits for the whole answer, whatever its status.
    ///
    /// Cancel safety: dropping the future closes the connection; the request may have been
    /// processed.
    ///
    /// # Errors
    /// See [`SendError`]; `timeout` covers everything from connecting to the last byte.
    pub async fn send(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Response, SendError> {
        let request = outgoing(endpoint, method, path_and_query, headers, body)?;
        tokio::time::timeout(timeout, self.send_request(endpoint, request)).await.unwrap_or(Err(SendError::Timeout))
    }

    /// Closes all unused connections, for example after a server changed its address.
    pub fn close_idle(&self) {
        self.0.idle.lock().clear();
    }

    async fn send_request(&self, endpoint: &Endpoint, mut request: Outgoing) -> Result<Response, SendError> {
        while let Some(connection) = self.0.take_idle(endpoint) {
            match self.exchange(endpoint, connection, request).await {
                Ok(response) => return Ok(response),
                Err(Failed::Final(error)) => return Err(error),
                // The server had closed it: the next one, or a new one.
                Err(Failed::Unsent(unsent, _)) => request = *unsent,
            }
        }
        let connection = self.0.connect(endpoint).await.map_err(|error| SendError::NotSent(format!("{endpoint}: {error}")))?;
        match self.exchange(endpoint, connection, request).await {
            Ok(response) => Ok(response),
            Err(Failed::Final(error)) => Err(error),
            Err(Failed::Unsent(_, why)) => Err(SendError::NotSent(format!("{endpoint}: {why}"))),
        }
    }

    async fn exchange(&self, endpoint: &Endpoint, mut connection: Connection, request: Outgoing) -> Result<Response, Failed> {
        if let Err(error) = connection.ready().await {
            return Err(Failed::Unsent(Box::new(request), error.to_string()));
        }
        let answer = connection.try_send_request(request).await.map_err(|mut failed| match failed.take_message() {
            Some(unsent) => Failed::Unsent(Box::new(unsent), failed.error().to_string()),
            None => Failed::Final(SendError::Unknown(format!("{endpoint}: {}", failed.error()))),
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.0.options.body_bytes_max).collect().await;
        let body = body.map_err(|error| Failed::Final(SendError::Unknown(format!("{endpoint}: {error}"))))?.to_bytes();
        self.0.keep(endpoint, connection);
        Ok(Response { status: head.status.as_u16(), headers: head.headers, body })
    }
}

fn outgoing(endpoint: &Endpoint, method: Method, path_and_query: &str, headers: HeaderMap, body: Bytes) -> Result<Outgoing, SendError> {
    let refused = |error: &dyn fmt::Display| SendError::NotSent(format!("{endpoint}{path_and_query}: {error}"));
    let mut request = hyper::Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = path_and_query.parse().map_err(|error: ::http::uri::InvalidUri| refused(&error))?;
    *request.headers_mut() = headers;
    if !request.headers().contains_key(header::HOST) {
        let host = HeaderValue::try_from(endpoint.authority()).map_err(|error| refused(&error))?;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request)
}

impl Pool {
    fn take_idle(&self, endpoint: &Endpoint) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(endpoint)?;
        while let Some(last) = connections.pop() {
            if last.since.elapsed() > self.options.idle_timeout {
                // The ones below have waited even longer.
                connections.clear();
            } else if !last.connection.is_closed() {
                return Some(last.connection);
            }
        }
        None
    }

    fn keep(&self, endpoint: &Endpoint, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        let connections = match idle.get_mut(endpoint) {
            Some(connections) => connections,
            None => idle.entry(endpoint.clone()).or_default(),
        };
        if connections.len() < self.options.idle_connections_max {
            connections.push(Idle { connection, since: Instant::now() });
        }
    }

    async fn connect(&self, endpoint: &Endpoint) -> io::Result<Connection> {
        let opening = async {
            let stream = open(endpoint).await?;
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
            tokio::spawn(async move {
                // Its end is reported to the request that uses it.
                let _ = connection.await;
            });
            Ok(sender)
        };
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "connect timeout");
        tokio::time::timeout(self.options.connect_timeout, opening).await.map_err(late)?
    }
}

async fn open(endpoint: &Endpoint) -> io::Result<Stream> {
    if let Some(path) = endpoint.unix_path() {
        return Ok(Stream::Unix(UnixStream::connect(path).await?));
    }
    let stream = TcpStream::connect((endpoint.host(), endpoint.port())).await?;
    stream.set_nodelay(true)?;
    if !endpoint.is_tls() {
        return Ok(Stream::Tcp(stream));
    }
    let name = rustls::pki_types::ServerName::try_from(endpoint.host().to_owned()).map_err(io::Error::other)?;
    let encrypted = tokio_rustls::TlsConnector::from(tls::client_config()?).connect(name, stream).await?;
    Ok(Stream::Tls(Box::new(encrypted.into())))
}

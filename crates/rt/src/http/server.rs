//! The HTTP server: HTTP/1.1 with keep-alive and pipelining, and HTTP/2 with prior knowledge (or
//! ALPN under TLS).
//!
//! Invariant: a request never takes the server down. Sizes, connections and idle times are
//! bounded, and a panic in a handler becomes a 500 for that one request.

use super::stream::Stream;
use super::{Bytes, Handler, HeaderValue, Method, Request, Response, StatusCode, header, message};
use crate::endpoint::Endpoint;
use crate::shutdown::Shutdown;
use base::{Error, code};
use futures_util::FutureExt;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// Most requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;

/// Limits of a server.
#[derive(Clone)]
pub struct ServerOptions {
    /// Largest request body; more is 413.
    pub body_bytes_max: usize,
    /// Largest request head; more is 431.
    pub header_bytes_max: usize,
    /// Connections without a request for so long are closed.
    pub idle_timeout: Duration,
    /// Most connections at a time; more are turned away with 503.
    pub connections_max: usize,
    /// How long running requests may take after the signal to shut down.
    pub grace: Duration,
    /// Key and certificate; needed for `ssl://` endpoints.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            body_bytes_max: 1 << 30,
            header_bytes_max: 1 << 20,
            idle_timeout: Duration::from_secs(300),
            connections_max: 16_384,
            grace: Duration::from_secs(5),
            tls: None,
        }
    }
}

/// A bound socket.
pub struct Listener {
    socket: Socket,
    is_tls: bool,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// The address listened on (with the real port if 0 was asked for); `None` for a unix socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok(),
            Socket::Unix(..) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, path) = &self.socket {
            // A leftover socket file would only be in the way of the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Begins to listen.
///
/// # Errors
/// With the endpoint in the text, for example `tcp://127.0.0.1:8529: address already in use`.
pub async fn bind(endpoint: &Endpoint) -> io::Result<Listener> {
    let named = |error: io::Error| {
        let why = if error.kind() == io::ErrorKind::AddrInUse { "address already in use".to_owned() } else { error.to_string() };
        io::Error::new(error.kind(), format!("cannot listen on {endpoint}: {why}"))
    };
    let socket = bind_socket(endpoint).await.map_err(named)?;
    Ok(Listener { socket, is_tls: endpoint.is_tls() })
}

async fn bind_socket(endpoint: &Endpoint) -> io::Result<Socket> {
    if let Some(path) = endpoint.unix_path() {
        let path = PathBuf::from(path);
        if path.exists() && tokio::net::UnixStream::connect(&path).await.is_err() {
            std::fs::remove_file(&path)?;
        }
        return Ok(Socket::Unix(UnixListener::bind(&path)?, path));
    }
    let mut last = io::Error::new(io::ErrorKind::NotFound, "host has no address");
    for address in tokio::net::lookup_host((endpoint.host(), endpoint.port())).await? {
        match bind_tcp(address) {
            Ok(listener) => return Ok(Socket::Tcp(listener)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until the signal is given, then lets running requests finish within the grace period.
pub async fn serve(listener: Listener, handler: Arc<dyn Handler>, options: ServerOptions, shutdown: Shutdown) {
    let permits = Arc::new(Semaphore::new(options.connections_max));
    let writes = TaskTracker::new();
    let cx = Arc::new(Server { handler, options, shutdown: shutdown.clone(), writes: writes.clone() });
    let connections = TaskTracker::new();
    // Ends the connections that outlive the grace period.
    let abort = Shutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.wait() => break,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (cx, abort, permit) = (Arc::clone(&cx), abort.clone(), Arc::clone(&permits).try_acquire_owned().ok());
                let is_tls = listener.is_tls;
                connections.spawn(async move {
                    tokio::select! {
                        () = abort.wait() => {}
                        () = cx.run(stream, peer, is_tls, permit) => {}
                    }
                });
            }
            Err(error) => {
                // Out of file handles, mostly: trying again at once would only spin.
                tracing::warn!("accept failed: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    writes.close();
    let finished = async {
        connections.wait().await;
        writes.wait().await;
    };
    if tokio::time::timeout(cx.options.grace, finished).await.is_err() {
        abort.trigger();
        connections.wait().await;
    }
}

async fn accept(listener: &Listener) -> io::Result<(Stream, Option<SocketAddr>)> {
    match &listener.socket {
        Socket::Tcp(socket) => {
            let (stream, peer) = socket.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Stream::Tcp(stream), Some(peer)))
        }
        Socket::Unix(socket, _) => Ok((Stream::Unix(socket.accept().await?.0), None)),
    }
}

struct Server {
    handler: Arc<dyn Handler>,
    options: ServerOptions,
    shutdown: Shutdown,
    writes: TaskTracker,
}

impl Server {
    async fn run(self: Arc<Self>, mut stream: Stream, peer: Option<SocketAddr>, is_tls: bool, permit: Option<OwnedSemaphorePermit>) {
        let Some(_permit) = permit else {
            let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            // The client is turned away; whether it listens does not matter.
            let _ = stream.write_all(refusal).await;
            return;
        };
        let opened = tokio::time::timeout(self.options.idle_timeout, self.open(stream, is_tls)).await;
        let Ok(Ok((stream, protocol))) = opened else { return };
        self.converse(stream, protocol, peer).await;
    }

    /// TLS handshake, or waiting for the first bytes, which tell the protocol.
    async fn open(&self, stream: Stream, is_tls: bool) -> io::Result<(Stream, Protocol)> {
        match stream {
            Stream::Tcp(stream) if is_tls => {
                let Some(config) = self.options.tls.clone() else {
                    return Err(io::Error::other("no TLS key"));
                };
                let encrypted = tokio_rustls::TlsAcceptor::from(config).accept(stream).await?;
                let is_h2 = encrypted.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok((Stream::Tls(Box::new(encrypted.into())), if is_h2 { Protocol::Http2 } else { Protocol::Http1 }))
            }
            Stream::Tcp(stream) => {
                let protocol = sniff(&stream).await?;
                Ok((Stream::Tcp(stream), protocol))
            }
            other => Ok((other, Protocol::Unknown)),
        }
    }

    async fn converse(self: &Arc<Self>, stream: Stream, protocol: Protocol, peer: Option<SocketAddr>) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.idle_timeout)
            .max_buf_size(self.options.header_bytes_max.max(8192))
            .keep_alive(true);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(self.options.header_bytes_max).unwrap_or(u32::MAX))
            .keep_alive_interval(self.options.idle_timeout);
        let builder = match protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder.http2_only(),
            Protocol::Unknown => builder,
        };
        let server = Arc::clone(self);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.answer(request, peer).await) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.shutdown.wait() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("connection from {peer:?} ended: {error}");
        }
    }

    async fn answer(&self, request: hyper::Request<Incoming>, peer: Option<SocketAddr>) -> hyper::Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = match self.read_body(body).await {
            Ok(body) => body,
            Err(refusal) => return outgoing(refusal),
        };
        let query = head.uri.query().map(message::parse_query).unwrap_or_default();
        let path = head.uri.path().to_owned();
        let request = Request { method: head.method, path, query, headers: head.headers, body, peer };
        outgoing(self.handle(request).await.unwrap_or_else(|| Response::error(&Error::from(code::INTERNAL))))
    }

    /// The handler's answer; `None` if it panicked.
    ///
    /// Cancel safety: reads end when the client goes away. Whatever may write is finished, so that
    /// a broken connection never leaves half a change behind.
    async fn handle(&self, request: Request) -> Option<Response> {
        if matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return AssertUnwindSafe(self.handler.handle(request)).catch_unwind().await.ok();
        }
        let handler = Arc::clone(&self.handler);
        self.writes.spawn(async move { handler.handle(request).await }).await.ok()
    }

    async fn read_body(&self, body: Incoming) -> Result<Bytes, Response> {
        let max = self.options.body_bytes_max;
        let too_large = || {
            let error = Error::new(code::HTTP_BAD_PARAMETER, format!("request body is larger than {max} bytes")).status(413);
            // The rest of the body is not read, so the connection cannot be used again.
            Response::error(&error).with_header("connection", "close")
        };
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        match Limited::new(body, max).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
            Err(error) => Err(Response::error(&Error::new(code::HTTP_BAD_PARAMETER, format!("request body is broken: {error}")))),
        }
    }
}

#[derive(Clone, Copy)]
enum Protocol {
    Http1,
    Http2,
    Unknown,
}

/// Waits for the first bytes. Only `PR…` may begin HTTP/2's preface; everything else goes to the
/// HTTP/1 parser without a detour.
async fn sniff(stream: &TcpStream) -> io::Result<Protocol> {
    let mut first = [0; 2];
    let read = stream.peek(&mut first).await?;
    Ok(if read == 2 && &first != b"PR" { Protocol::Http1 } else { Protocol::Unknown })
}

fn outgoing(response: Response) -> hyper::Response<Full<Bytes>> {
    let mut answer = hyper::Response::new(Full::new(response.body));
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *answer.headers_mut() = response.headers;
    if !answer.headers().contains_key(header::SERVER) {
        answer.headers_mut().insert(header::SERVER, HeaderValue::from_static("ArangoDB"));
    }
    answer
}

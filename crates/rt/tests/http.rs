//! Server and client against each other over real sockets.

use async_trait::async_trait;
use rt::endpoint::Endpoint;
use rt::http::{Bytes, Client, ClientOptions, Handler, HeaderMap, Method, Request, Response, SendError, ServerOptions, bind, serve};
use rt::shutdown::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

const TIMEOUT: Duration = Duration::from_secs(20);

/// Echoes method, path and body; some paths misbehave.
#[derive(Default)]
struct Echo {
    entered: Notify,
    go_on: Notify,
    waited: AtomicBool,
}

#[async_trait]
impl Handler for Echo {
    async fn handle(&self, request: Request) -> Response {
        match request.path.as_str() {
            "/panic" => panic!("on purpose"),
            "/wait" => {
                self.entered.notify_one();
                self.go_on.notified().await;
                self.waited.store(true, Ordering::SeqCst);
            }
            _ => {}
        }
        let text = format!("{} {} {:?} {}", request.method, request.path, request.query, String::from_utf8_lossy(&request.body));
        Response::new(200).with_body("text/plain", text)
    }
}

struct Running {
    endpoint: Endpoint,
    echo: Arc<Echo>,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

async fn start(options: ServerOptions) -> Running {
    let listener = bind(&Endpoint::tcp("127.0.0.1", 0)).await.unwrap();
    let endpoint = Endpoint::tcp("127.0.0.1", listener.local_addr().unwrap().port());
    let (echo, shutdown) = (Arc::new(Echo::default()), Shutdown::new());
    let task = tokio::spawn(serve(listener, Arc::clone(&echo) as Arc<dyn Handler>, options, shutdown.clone()));
    Running { endpoint, echo, shutdown, task }
}

async fn send(client: &Client, running: &Running, method: Method, path: &str, body: &str) -> Result<(u16, String), SendError> {
    let answer = client.send(&running.endpoint, method, path, HeaderMap::new(), Bytes::from(body.to_owned()), TIMEOUT).await?;
    Ok((answer.status, String::from_utf8_lossy(&answer.body).into_owned()))
}

/// Sends bytes as they are and reads until the server closes.
async fn raw(running: &Running, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", running.endpoint.port())).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn requests_travel_over_kept_connections() {
    let running = start(ServerOptions { connections_max: 1, ..ServerOptions::default() }).await;
    let client = Client::new(ClientOptions::default());
    for number in 0..20 {
        // With room for a single connection, a second one would be turned away.
        let (status, text) = send(&client, &running, Method::POST, &format!("/a%20b?n={number}"), "body").await.unwrap();
        assert_eq!((status, text), (200, format!("POST /a%20b [(\"n\", \"{number}\")] body")));
    }
    // Turned away without being read: either the 503 arrives, or the connection is gone before the request went out.
    let refused = send(&Client::new(ClientOptions::default()), &running, Method::GET, "/", "").await;
    assert!(!matches!(refused, Ok((200, _))), "{refused:?}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let running = start(ServerOptions::default()).await;
    let answer = raw(&running, b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let (first, second) = (answer.find("GET /1"), answer.find("GET /2"));
    assert!(first.is_some() && first < second, "{answer}");
}

#[tokio::test]
async fn a_panic_costs_one_request_only() {
    let running = start(ServerOptions::default()).await;
    let client = Client::new(ClientOptions::default());
    let (status, text) = send(&client, &running, Method::GET, "/panic", "").await.unwrap();
    assert_eq!(status, 500);
    assert!(text.contains("\"errorNum\":4"), "{text}");
    assert_eq!(send(&client, &running, Method::GET, "/", "").await.unwrap().0, 200);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let running = start(ServerOptions { body_bytes_max: 100, header_bytes_max: 8192, ..ServerOptions::default() }).await;
    let client = Client::new(ClientOptions::default());
    assert_eq!(send(&client, &running, Method::POST, "/", &"x".repeat(101)).await.unwrap().0, 413);
    assert_eq!(send(&client, &running, Method::POST, "/", &"x".repeat(100)).await.unwrap().0, 200);
    let huge = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n", "y".repeat(20_000));
    let answer = raw(&running, huge.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let running = start(ServerOptions::default()).await;
    let stream = TcpStream::connect(("127.0.0.1", running.endpoint.port())).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = hyper::Request::get("http://x/h2").body(http_body_util::Full::new(Bytes::new())).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, hyper::Version::HTTP_2));
}

#[tokio::test]
async fn running_requests_are_finished_at_the_end_and_new_connections_refused() {
    let running = start(ServerOptions::default()).await;
    let client = Client::new(ClientOptions::default());
    let endpoint = running.endpoint.clone();
    let waiting = tokio::spawn(async move { client.send(&endpoint, Method::GET, "/wait", HeaderMap::new(), Bytes::new(), TIMEOUT).await });
    running.echo.entered.notified().await;
    running.shutdown.trigger();
    running.echo.go_on.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap().status, 200);
    running.task.await.unwrap();
    let late = send(&Client::new(ClientOptions::default()), &start_nothing(running.endpoint, running.echo), Method::GET, "/", "").await;
    assert!(matches!(late, Err(SendError::NotSent(_))), "{late:?}");
}

fn start_nothing(endpoint: Endpoint, echo: Arc<Echo>) -> Running {
    Running { endpoint, echo, shutdown: Shutdown::new(), task: tokio::spawn(async {}) }
}

#[tokio::test]
async fn a_request_that_outlives_the_grace_period_is_cut_and_its_outcome_unknown() {
    let running = start(ServerOptions { grace: Duration::from_millis(1), ..ServerOptions::default() }).await;
    let client = Client::new(ClientOptions::default());
    let endpoint = running.endpoint.clone();
    let waiting = tokio::spawn(async move { client.send(&endpoint, Method::POST, "/wait", HeaderMap::new(), Bytes::new(), TIMEOUT).await });
    running.echo.entered.notified().await;
    running.shutdown.trigger();
    running.task.await.unwrap();
    let outcome = waiting.await.unwrap();
    assert!(matches!(outcome, Err(SendError::Unknown(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_write_is_finished_although_the_client_has_gone() {
    let running = start(ServerOptions::default()).await;
    let client = Client::new(ClientOptions::default());
    let timeout = Duration::from_millis(20);
    let outcome = client.send(&running.endpoint, Method::POST, "/wait", HeaderMap::new(), Bytes::new(), timeout).await;
    assert_eq!(outcome.unwrap_err(), SendError::Timeout);
    running.echo.entered.notified().await;
    running.shutdown.trigger();
    running.echo.go_on.notify_one();
    running.task.await.unwrap();
    assert!(running.echo.waited.load(Ordering::SeqCst));
}

#[tokio::test]
async fn no_answer_in_time() {
    let running = start(ServerOptions::default()).await;
    let client = Client::new(ClientOptions::default());
    let timeout = Duration::from_millis(20);
    let outcome = client.send(&running.endpoint, Method::GET, "/wait", HeaderMap::new(), Bytes::new(), timeout).await;
    assert_eq!(outcome.unwrap_err(), SendError::Timeout);
}

/// A restarted server has closed all kept connections; the next request must not notice.
#[tokio::test]
async fn closed_connections_are_replaced() {
    let first = start(ServerOptions::default()).await;
    let client = Client::new(ClientOptions::default());
    assert_eq!(send(&client, &first, Method::GET, "/", "").await.unwrap().0, 200);
    first.shutdown.trigger();
    first.task.await.unwrap();
    let listener = bind(&first.endpoint).await.unwrap();
    let shutdown = Shutdown::new();
    let handler = Arc::clone(&first.echo) as Arc<dyn Handler>;
    tokio::spawn(serve(listener, handler, ServerOptions::default(), shutdown));
    let again = Running { endpoint: first.endpoint, echo: first.echo, shutdown: Shutdown::new(), task: tokio::spawn(async {}) };
    assert_eq!(send(&client, &again, Method::POST, "/", "x").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let running = start(ServerOptions::default()).await;
    let error = bind(&running.endpoint).await.err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("{}: address already in use", running.endpoint)), "{error}");
}

#[tokio::test]
async fn unix_sockets() {
    let path = std::env::temp_dir().join(format!("rt-test-{}.sock", std::process::id()));
    let endpoint = Endpoint::parse(&format!("unix://{}", path.display())).unwrap();
    let listener = bind(&endpoint).await.unwrap();
    let shutdown = Shutdown::new();
    let task = tokio::spawn(serve(listener, Arc::new(Echo::default()), ServerOptions::default(), shutdown.clone()));
    let client = Client::new(ClientOptions::default());
    let answer = client.send(&endpoint, Method::GET, "/u", HeaderMap::new(), Bytes::new(), TIMEOUT).await.unwrap();
    assert_eq!(answer.status, 200);
    shutdown.trigger();
    task.await.unwrap();
    assert!(!path.exists());
}

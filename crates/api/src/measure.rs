//! What is counted about requests, under ArangoDB's names.

use rt::http::Method;
use rt::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds of request times in seconds.
pub const TIME_BOUNDS: &[f64] = &[0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 15.0, 30.0];
/// Upper bounds of sizes in bytes.
pub const SIZE_BOUNDS: &[f64] = &[250.0, 1000.0, 2000.0, 5000.0, 10_000.0];

/// The counters of one server.
pub struct Measures {
    pub total: Arc<Counter>,
    pub asynchronous: Arc<Counter>,
    pub by_method: [(Method, Arc<Counter>); 7],
    pub other_method: Arc<Counter>,
    pub superuser: Arc<Counter>,
    pub in_progress: Arc<Gauge>,
    pub time: Arc<Histogram>,
    pub sent: Arc<Histogram>,
    pub received: Arc<Histogram>,
    pub auth_failed: Arc<Counter>,
}

impl Measures {
    pub fn new() -> Self {
        let name = |method: Method, name, help| (method, counter(name, help));
        Self {
            total: counter("arangodb_http_request_statistics_total_requests_total", "Total number of HTTP requests"),
            asynchronous: counter(
                "arangodb_http_request_statistics_async_requests_total",
                "Number of asynchronously executed HTTP requests",
            ),
            by_method: [
                name(Method::GET, "arangodb_http_request_statistics_http_get_requests_total", "Number of HTTP GET requests"),
                name(Method::HEAD, "arangodb_http_request_statistics_http_head_requests_total", "Number of HTTP HEAD requests"),
                name(Method::POST, "arangodb_http_request_statistics_http_post_requests_total", "Number of HTTP POST requests"),
                name(Method::PUT, "arangodb_http_request_statistics_http_put_requests_total", "Number of HTTP PUT requests"),
                name(Method::PATCH, "arangodb_http_request_statistics_http_patch_requests_total", "Number of HTTP PATCH requests"),
                name(Method::DELETE, "arangodb_http_request_statistics_http_delete_requests_total", "Number of HTTP DELETE requests"),
                name(Method::OPTIONS, "arangodb_http_request_statistics_http_options_requests_total", "Number of HTTP OPTIONS requests"),
            ],
            other_method: counter("arangodb_http_request_statistics_other_http_requests_total", "Number of other HTTP requests"),
            superuser: counter(
                "arangodb_http_request_statistics_superuser_requests_total",
                "Total number of HTTP requests executed by superuser/JWT",
            ),
            in_progress: gauge("arangodb_scheduler_num_working_threads", "Number of requests being worked on"),
            time: histogram("arangodb_client_connection_statistics_total_time", "Total time needed to answer a request [s]", TIME_BOUNDS),
            sent: histogram("arangodb_client_connection_statistics_bytes_sent", "Bytes sent for a request", SIZE_BOUNDS),
            received: histogram("arangodb_client_connection_statistics_bytes_received", "Bytes received for a request", SIZE_BOUNDS),
            auth_failed: counter(
                "arangodb_server_statistics_authentication_failures_total",
                "Number of requests refused for missing or wrong credentials",
            ),
        }
    }

    /// A request has come in.
    pub fn begin(&self, method: &Method, received: usize) {
        self.total.increment();
        self.in_progress.add(1);
        match self.by_method.iter().find(|(known, _)| known == method) {
            Some((_, counter)) => counter.increment(),
            None => self.other_method.increment(),
        }
        self.received.observe(received as f64);
    }

    /// It has been answered.
    pub fn end(&self, time: Duration, sent: usize) {
        self.in_progress.add(-1);
        self.time.observe(time.as_secs_f64());
        self.sent.observe(sent as f64);
    }
}

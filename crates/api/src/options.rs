//! Settings of the HTTP API.

use crate::log::LogBook;
use rt::shutdown::Shutdown;
use std::sync::Arc;

/// Version that clients see: the release of ArangoDB whose API is spoken.
pub const VERSION: &str = "3.12.6";

/// Settings of an [`crate::Api`].
#[derive(Clone)]
pub struct ApiOptions {
    /// Endpoint as clients see it, for `/_admin/status` and `/_api/endpoint`.
    pub endpoint: String,
    /// Version of this program, shown in the details of `/_api/version`.
    pub product_version: String,
    /// Answers with at least so many bytes are compressed if the client accepts it; 0 = never.
    pub compress_bytes_min: usize,
    /// Largest size of a request body after decompression.
    pub body_bytes_max: usize,
    /// Origins that may send credentials from a browser.
    pub trusted_origins: Vec<String>,
    /// Where `/` leads to.
    pub root_redirect: String,
    /// Given by `DELETE /_admin/shutdown`.
    pub shutdown: Option<Shutdown>,
    /// Log kept in memory, for `/_admin/log`.
    pub log: Option<Arc<dyn LogBook>>,
    /// Most results of asynchronous requests kept.
    pub jobs_max: usize,
    /// The answer of `/_api/query/rules`: an array of the optimiser's rules.
    pub optimizer_rules: serde_json::Value,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            endpoint: "tcp://127.0.0.1:8529".into(),
            product_version: env!("CARGO_PKG_VERSION").into(),
            compress_bytes_min: 0,
            body_bytes_max: 1 << 30,
            trusted_origins: Vec::new(),
            root_redirect: "/_db/_system/_admin/aardvark/index.html".into(),
            shutdown: None,
            log: None,
            jobs_max: 4096,
            optimizer_rules: serde_json::json!([]),
        }
    }
}

//! The single server, put together.

use crate::launch::{self, Launch, Service};
use crate::{authentication, store};
use api::{Api, ApiOptions};
use roles::single::{Single, SingleOptions};
use rt::http::Handler;
use std::sync::Arc;

/// Starts a single server in the data directory.
pub async fn start(launch: &Launch) -> Result<Service, String> {
    let options = &launch.options;
    let id = launch.directory.server_id_or(|| format!("SNGL-{}", uuid::Uuid::new_v4()))?;
    let storage = store::open(launch).await?;
    let single = Single::new(
        Arc::clone(&storage),
        SingleOptions {
            server_number: server_number(&id),
            threads: launch::threads(options),
            queue: usize::try_from(options.number("server.maximal-queue-size")).unwrap_or(usize::MAX),
            wait_for_sync: options.flag("database.wait-for-sync"),
            read_only_queries: false,
            databases_max: options.number("database.max-databases"),
            local: store::local_options(options),
            query: store::query_options(options),
            expiry: store::expiry_options(options),
        },
    );
    let root = authentication::root_user(options)?;
    single.bootstrap(Some(&root)).await.map_err(|error| format!("cannot prepare the database: {}", error.message()))?;
    let authenticator = authentication::authenticator(options, single.clone(), authentication::secrets(options)?);
    let api = Api::new(single.clone(), api_options(launch), authenticator);
    let running = tokio::spawn(Arc::clone(&single).run(launch.shutdown.clone()));
    let stop = async move {
        let _ = running.await;
        drop(single);
        store::close(storage).await;
    };
    Ok(Service { handler: Arc::new(api) as Arc<dyn Handler>, stop: Box::pin(stop) })
}

/// What the HTTP API is told about this server.
pub fn api_options(launch: &Launch) -> ApiOptions {
    let options = &launch.options;
    ApiOptions {
        endpoint: options.list("server.endpoint").first().copied().unwrap_or(launch::ENDPOINT_DEFAULT).to_owned(),
        product_version: env!("CARGO_PKG_VERSION").to_owned(),
        compress_bytes_min: usize::try_from(options.number("http.compress-response-threshold")).unwrap_or(0),
        trusted_origins: options
            .list("http.trusted-origin")
            .into_iter()
            .map(|origin| if origin == "all" { "*" } else { origin }.to_owned())
            .collect(),
        root_redirect: options.text("http.redirect-root-to").to_owned(),
        shutdown: Some(launch.shutdown.clone()),
        optimizer_rules: aql::rules_json(),
        ..ApiOptions::default()
    }
}

/// A short number from the server's id, for `globallyUniqueId`.
fn server_number(id: &str) -> u64 {
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).skip_while(|c| !c.is_ascii_digit()).take(12).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_number_of_a_server_follows_from_its_id() {
        let number = super::server_number("SNGL-12345678-9abc-4def-8123-456789abcdef");
        assert_eq!(number, 0x1234_5678_9abc);
        assert_eq!(super::server_number(""), 1);
    }
}

//! What listens from the first moment: answers 503 until the server is ready, then hands every
//! request to it.

use async_trait::async_trait;
use base::{Error, code};
use rt::http::{Handler, Request, Response};
use std::sync::{Arc, OnceLock};

/// The door of the server.
#[derive(Default)]
pub struct Gate {
    inside: OnceLock<Arc<dyn Handler>>,
}

impl Gate {
    /// Lets requests in; only the first call counts.
    pub fn open(&self, handler: Arc<dyn Handler>) {
        let _ = self.inside.set(handler);
    }
}

#[async_trait]
impl Handler for Gate {
    async fn handle(&self, request: Request) -> Response {
        match self.inside.get() {
            Some(handler) => handler.handle(request).await,
            None => Response::error(&Error::from(code::STARTING_UP)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rt::http::Method;

    struct Teapot;

    #[async_trait]
    impl Handler for Teapot {
        async fn handle(&self, _: Request) -> Response {
            Response::empty(418)
        }
    }

    #[tokio::test]
    async fn nobody_gets_in_before_it_opens() {
        let gate = Gate::default();
        let request = || Request::new(Method::GET, "/", rt::http::Bytes::new());
        assert_eq!(gate.handle(request()).await.status, 503);
        gate.open(Arc::new(Teapot));
        assert_eq!(gate.handle(request()).await.status, 418);
    }
}

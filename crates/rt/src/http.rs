//! HTTP between clients and servers and among servers.
//!
//! [`server`] listens, [`client`] calls; both speak in [`Request`] and [`Response`] with whole
//! bodies. [`tls`] encrypts, [`stream`] is the byte stream below.

pub mod client;
pub mod message;
pub mod server;
pub mod stream;
pub mod tls;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use bytes::Bytes;
pub use client::{Client, ClientOptions, SendError};
pub use message::{Handler, Request, Response};
pub use server::{Listener, ServerOptions, bind, serve};

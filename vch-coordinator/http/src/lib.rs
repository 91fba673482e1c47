//! The HTTP server for the Docker API, the native API and the metrics: HTTP/1.1 (RFC 9112) on Unix sockets, on TCP with
//! mutual TLS, and on plain TCP for content that is not secret.
//!
//! ```text
//!   TCP ──► handshakes (bounded, by source) ──► TLS ──┐
//!                                                     ├──► permit ──► filter ──► hyper ──► an API's routes
//!   Unix socket, plain TCP ───────────────────────────┘
//! ```
//!
//! Each listener serves a bounded number of connections at once; further clients wait in the kernel's queue. When the
//! server is stopped, requests in progress may complete within one second. An API provides its routes, its limits
//! for request heads, and a [`Filter`] for the bytes that its clients send.

mod connection;
mod handshakes;
mod server;
mod socket;
mod tls;

pub use connection::{Connection, Filter, Unchanged};
pub use server::{Head, Server};
pub use socket::Peer;
pub use tls::{Certificates, TlsError, TlsFiles};

//! The HTTP server of both APIs and of metrics: HTTP/1.1 (RFC 9112) on Unix sockets, on TCP with mutual TLS, and on
//! plain TCP for what is no secret.
//!
//! ```text
//!   TCP ──► handshakes (bounded, by source) ──► TLS ──┐
//!                                                     ├──► permit ──► filter ──► hyper ──► an API's routes
//!   Unix socket, plain TCP ───────────────────────────┘
//! ```
//!
//! Each listener serves a bounded number of connections at once; further clients wait in the kernel's queue. A stop
//! lets the requests under way end, for a bounded time. What an API needs beside that it brings: its routes, its
//! bounds for a request's head, and a [`Filter`] of what its clients send.

mod connection;
mod handshakes;
mod server;
mod socket;
mod tls;

pub use connection::{Connection, Filter, Unchanged};
pub use server::{Head, Server};
pub use socket::Peer;
pub use tls::{Certificates, TlsError, TlsFiles};

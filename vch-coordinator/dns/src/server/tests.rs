//! A real server on loopback, asked by real clients.

mod forwarding;
mod loopback;
mod support;
mod upstream;

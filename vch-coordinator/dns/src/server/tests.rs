//! A real server on loopback, asked by real clients.

mod fairness;
mod forwarding;
mod loopback;
mod namespace;
mod support;
mod upstream;

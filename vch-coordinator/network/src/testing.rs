//! Helpers for the tests of this package and of packages that use it: network namespaces, bridges and ports.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "for tests")]

pub mod namespace;
pub mod samples;

//! Networks and endpoints (containers' connections to networks) in Docker's API: the requests, the options by name,
//! and the responses.

pub mod endpoint;
pub mod ipam;
pub mod options;
pub mod params;
pub mod response;

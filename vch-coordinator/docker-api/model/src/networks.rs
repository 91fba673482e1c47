//! Networks and endpoints: requests, options by their names, and responses.

pub mod endpoint;
pub mod ipam;
pub mod options;
pub mod params;
pub mod response;

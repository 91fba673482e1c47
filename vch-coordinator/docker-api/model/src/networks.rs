//! Networks and endpoints: what is asked for, the options by their names, and what is shown.

pub mod endpoint;
pub mod ipam;
pub mod options;
pub mod params;
pub mod response;

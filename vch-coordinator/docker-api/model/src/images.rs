//! Images: which are asked for, and what is shown of them.

pub mod response;

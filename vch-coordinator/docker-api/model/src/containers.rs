//! Containers: what is asked for, what Docker alone shows again, and the words for how one is.

pub mod body;
pub mod create;
pub mod shown;
pub mod status;

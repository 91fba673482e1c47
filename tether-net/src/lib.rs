//! The agent in each container VM.

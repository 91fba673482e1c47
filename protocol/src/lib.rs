//! The language that the coordinator and the agent speak.

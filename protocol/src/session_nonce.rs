//! The nonce that marks the frames of one session.

use serde::{Deserialize, Serialize};

/// Marks the frames of one session, chosen at random by the agent. What a channel delivers late,
/// from a session that is over, bears another and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionNonce(pub u64);

impl SessionNonce {
    /// Of no session: a probe bears it, an agent never chooses it.
    pub const NONE: Self = Self(0);
}

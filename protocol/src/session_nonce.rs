//! The nonce that marks the frames of one session.

use serde::{Deserialize, Serialize};

/// The mark of one session's frames, chosen at random by the agent. A frame that the channel
/// delivers late, from a session that is over, has another one and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionNonce(pub u64);

impl SessionNonce {
    /// The nonce outside of any session: a probe has it, and an agent never chooses it.
    pub const NONE: Self = Self(0);
}

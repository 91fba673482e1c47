//! The random number that marks the frames of one session between coordinator and agent.

use serde::{Deserialize, Serialize};

/// The random number that marks all frames of one session between coordinator and agent. The agent chooses a new one
/// for each session. A frame with another nonce was left in the channel by an earlier session, and is dropped. Between
/// a VM's shim and its init, it marks the frames of one run of the container in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionNonce(pub u64);

impl SessionNonce {
    /// The nonce of a frame that belongs to no session, such as the coordinator's
    /// [`Probe`](crate::message::ToAgent::Probe). An agent never chooses this value for a session.
    pub const NONE: Self = Self(0);
}

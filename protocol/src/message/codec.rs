//! Messages as bytes.

use super::{
    Failure, InterfaceReport, InterfaceState, Report, SessionNonce, ToAgent, ToCoordinator,
};
use crate::frame::MAX_PAYLOAD;
use crate::spec::{MAX_ADDRESSES, MAX_INTERFACES, MAX_ROUTES};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Most bytes in [`Hello::agent`](super::Hello::agent).
pub const MAX_AGENT_NAME: usize = 64;
/// Most entries in [`Hello::capabilities`](super::Hello::capabilities).
pub const MAX_CAPABILITIES: usize = 32;
/// Most bytes in [`Failure::action`].
pub const MAX_ACTION: usize = 256;
/// Most entries in [`Report::failures`].
pub const MAX_FAILURES: usize = 64;
/// Most bytes in [`LogLine::text`](super::LogLine::text).
pub const MAX_LOG_TEXT: usize = 512;

/// A message and the session that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<M> {
    /// The session's mark; [`SessionNonce::NONE`] outside of one.
    pub nonce: SessionNonce,
    /// The message.
    pub message: M,
}

/// A direction of the protocol: [`ToAgent`] or [`ToCoordinator`].
pub trait Message: Serialize + DeserializeOwned {
    /// Whether every list and text is within the protocol's bounds.
    fn check(&self) -> Result<(), DecodeError>;

    /// The message as bytes, at most [`MAX_PAYLOAD`].
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let bytes = postcard::to_allocvec(self).map_err(EncodeError::Formless)?;
        if bytes.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The message that is all of `bytes`.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (message, rest) =
            postcard::take_from_bytes::<Self>(bytes).map_err(DecodeError::Malformed)?;
        if !rest.is_empty() {
            return Err(DecodeError::Trailing { bytes: rest.len() });
        }
        message.check()?;
        Ok(message)
    }
}

impl Message for ToAgent {
    fn check(&self) -> Result<(), DecodeError> {
        // A NetSpec has checked itself, and nothing else has a length.
        Ok(())
    }
}

impl Message for ToCoordinator {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Hello(hello) => {
                bounded("agent", hello.agent.len(), MAX_AGENT_NAME)?;
                bounded("capabilities", hello.capabilities.len(), MAX_CAPABILITIES)
            }
            Self::Report(report) => check_report(report),
            Self::Log(line) => bounded("text", line.text.len(), MAX_LOG_TEXT),
            Self::Link(_) | Self::Pong(_) => Ok(()),
        }
    }
}

fn check_report(report: &Report) -> Result<(), DecodeError> {
    bounded("interfaces", report.interfaces.len(), MAX_INTERFACES)?;
    bounded("failures", report.failures.len(), MAX_FAILURES)?;
    report.failures.iter().try_for_each(check_failure)?;
    report.interfaces.iter().try_for_each(check_interface)
}

fn check_interface(interface: &InterfaceReport) -> Result<(), DecodeError> {
    bounded("addresses", interface.addresses.len(), MAX_ADDRESSES)?;
    bounded("routes", interface.routes.len(), MAX_ROUTES)?;
    match &interface.state {
        InterfaceState::Failed(failure) => check_failure(failure),
        InterfaceState::Up | InterfaceState::Waiting | InterfaceState::Unsupported(_) => Ok(()),
    }
}

fn check_failure(failure: &Failure) -> Result<(), DecodeError> {
    bounded("action", failure.action.len(), MAX_ACTION)
}

pub(crate) fn bounded(field: &'static str, count: usize, limit: usize) -> Result<(), DecodeError> {
    if count > limit {
        return Err(DecodeError::TooMany {
            field,
            count,
            limit,
        });
    }
    Ok(())
}

/// Why a message can't be sent.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// It is longer than what a frame carries.
    #[error("the message has {bytes} bytes: a frame carries at most {MAX_PAYLOAD}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It has no form in bytes.
    #[error("the message has no form in bytes")]
    Formless(#[source] postcard::Error),
}

/// Why bytes are no message.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// They end early, name an unknown variant, or hold a value that is not possible.
    #[error("the bytes are no message of this version: the peer is broken or speaks another one")]
    Malformed(#[source] postcard::Error),
    /// A message, and something behind it.
    #[error("{bytes} bytes lie behind the message: the peer is broken or speaks another version")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A list or text is longer than the protocol lets through.
    #[error("message field `{field}` has length {count}: at most {limit} are possible")]
    TooMany {
        /// The list or text.
        field: &'static str,
        /// Its length.
        count: usize,
        /// The most that may be.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;

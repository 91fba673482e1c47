//! Encodes and decodes messages.

use super::{
    Failure, InterfaceReport, InterfaceState, Report, SessionNonce, ToAgent, ToCoordinator,
};
use crate::frame::MAX_PAYLOAD;
use crate::spec::{MAX_ADDRESSES, MAX_INTERFACES, MAX_ROUTES};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// The most bytes in [`Hello::agent`](super::Hello::agent).
pub const MAX_AGENT_NAME: usize = 64;
/// The most entries in [`Hello::capabilities`](super::Hello::capabilities).
pub const MAX_CAPABILITIES: usize = 32;
/// The most bytes in [`Failure::action`].
pub const MAX_ACTION: usize = 256;
/// The most entries in [`Report::failures`].
pub const MAX_FAILURES: usize = 64;
/// The most bytes in [`LogLine::text`](super::LogLine::text).
pub const MAX_LOG_TEXT: usize = 512;

/// A message with the session that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<M> {
    /// The session's nonce; [`SessionNonce::NONE`] outside of a session.
    pub nonce: SessionNonce,
    /// The message.
    pub message: M,
}

/// A message of one direction: [`ToAgent`] or [`ToCoordinator`].
pub trait Message: Serialize + DeserializeOwned {
    /// Checks that every list and text is within the protocol's bounds.
    ///
    /// # Errors
    /// Returns [`DecodeError::TooMany`] with the list or text that is not.
    fn check(&self) -> Result<(), DecodeError>;

    /// Returns the message as bytes, at most [`MAX_PAYLOAD`].
    ///
    /// # Errors
    /// Returns [`EncodeError::TooLong`] if it is longer than a frame carries,
    /// [`EncodeError::Formless`] if it can't be encoded.
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let bytes = postcard::to_allocvec(self).map_err(EncodeError::Formless)?;
        if bytes.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Decodes the message that is all of `bytes`.
    ///
    /// # Errors
    /// Returns [`DecodeError::Malformed`] if the bytes are not a message, [`DecodeError::Trailing`]
    /// if bytes follow it, [`DecodeError::TooMany`] if a list or text is too long.
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

/// Checks that a field has at most `limit` items.
///
/// # Errors
/// Returns [`DecodeError`] with the field's name if it has more.
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

/// The reason for which a message can't be encoded.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The message is longer than a frame carries.
    #[error("the message has {bytes} bytes: a frame carries at most {MAX_PAYLOAD}")]
    TooLong {
        /// The message's length in bytes.
        bytes: usize,
    },
    /// The encoder can't express the message.
    #[error("the message has no form in bytes")]
    Formless(#[source] postcard::Error),
}

/// The reason for which bytes are not a message.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The bytes end early, name an unknown variant, or hold a value that is not possible.
    #[error("the bytes are no message of this version: the peer is broken or speaks another one")]
    Malformed(#[source] postcard::Error),
    /// Bytes follow the message.
    #[error("{bytes} bytes lie behind the message: the peer is broken or speaks another version")]
    Trailing {
        /// The number of these bytes.
        bytes: usize,
    },
    /// A list or text is longer than the protocol allows.
    #[error("message field `{field}` has length {count}: at most {limit} are possible")]
    TooMany {
        /// The list or text.
        field: &'static str,
        /// The length of it.
        count: usize,
        /// The greatest length allowed.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;

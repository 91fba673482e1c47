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

/// A message together with the nonce (random number) of the session to which it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<M> {
    /// The session's nonce; [`SessionNonce::NONE`] if the message belongs to no session.
    pub nonce: SessionNonce,
    /// The message.
    pub message: M,
}

/// A type of message that one end of a channel sends: [`ToAgent`] or [`ToCoordinator`] between coordinator and agent,
/// [`ToInit`](crate::process::ToInit) or [`FromInit`](crate::process::FromInit) between a VM's shim and its init. This
/// package implements it for these four only.
pub trait Message: Serialize + DeserializeOwned {
    /// Checks that every list and text of the message is within the protocol's bounds. [`Message::decode`] calls it;
    /// [`Message::encode`] does not, so a sender has to keep the bounds.
    ///
    /// # Errors
    /// Returns [`DecodeError::TooMany`], with the field's name, if a list or text is too long.
    fn check(&self) -> Result<(), DecodeError>;

    /// Encodes the message as bytes (postcard), at most [`MAX_PAYLOAD`].
    ///
    /// # Errors
    /// Returns [`EncodeError::TooLong`] if the encoded message is longer than a frame can carry.
    /// Returns [`EncodeError::Formless`] if the encoder fails.
    fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let bytes = postcard::to_allocvec(self).map_err(EncodeError::Formless)?;
        if bytes.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLong { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// Decodes one message from `bytes`, which must contain nothing else.
    ///
    /// # Errors
    /// Returns [`DecodeError::Malformed`] if the bytes are not a message of this type,
    /// [`DecodeError::Trailing`] if more bytes follow the message, [`DecodeError::TooMany`] if a
    /// list or text is too long.
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

/// The reason why a message can't be encoded.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The encoded message is longer than a frame can carry ([`MAX_PAYLOAD`]).
    #[error("the message has {bytes} bytes: a frame carries at most {MAX_PAYLOAD}")]
    TooLong {
        /// The encoded message's length in bytes.
        bytes: usize,
    },
    /// The encoder (postcard) failed with this error.
    #[error("the message has no form in bytes")]
    Formless(#[source] postcard::Error),
}

/// The reason why bytes are not a valid message.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// The bytes end too early, have an unknown variant, or contain a value that its type does not
    /// allow.
    #[error("the bytes are no message of this version: the peer is broken or speaks another one")]
    Malformed(#[source] postcard::Error),
    /// More bytes follow the message.
    #[error("{bytes} bytes lie behind the message: the peer is broken or speaks another version")]
    Trailing {
        /// The number of bytes that follow the message.
        bytes: usize,
    },
    /// A list or text is longer than the protocol allows.
    #[error("message field `{field}` has length {count}: at most {limit} are possible")]
    TooMany {
        /// The name of the list or text.
        field: &'static str,
        /// Its number of entries, or its length in bytes.
        count: usize,
        /// The greatest number of entries, or bytes, that the protocol allows.
        limit: usize,
    },
}

#[cfg(test)]
mod tests;

//! Errors of Docker's API: an HTTP status and a message, as dockerd answers.

mod below;

use axum::{
    body::Body,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use vch_engine::RequestError;
use vch_ledger::{HostPort, PortRefusal, Refusal, RefusalKind};
use vch_store::WriterError;

/// An unsuccessful response of Docker's API, with the body `{"message": "..."}`. If dockerd has the same case,
/// status and message are dockerd's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerError {
    /// The HTTP status, 400 or higher.
    pub status: StatusCode,
    /// The message, which the docker CLI shows after "Error response from daemon: ". It may have any characters; the
    /// response has it as [`printable`] returns it.
    pub message: String,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

impl DockerError {
    /// Returns an error with this status and message.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// Returns an error with status 400: the request is not valid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Returns an error with status 403: the request is not permitted.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// Returns an error with status 404: the object does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Returns an error with status 409: the request conflicts with the present state of its object.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// Returns an error with status 500: the operation failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// Returns an error with status 501: dockerd has the feature and a VCH does not. The message names `feature`, the
    /// request's field or operation, and then `remedy`, which tells the user what to do instead.
    pub fn unsupported(feature: &str, remedy: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("{feature} is not supported by this Virtual Container Host: {remedy}"),
        )
    }

    /// Returns dockerd's error with status 404 for a path that no route has.
    pub fn page_not_found() -> Self {
        Self::not_found("page not found")
    }

    /// Returns an error with status 409: the object of the request was created, and another request removed it
    /// before it could be shown.
    pub fn gone() -> Self {
        Self::conflict("it was removed by another request in the same moment: ask again")
    }
}

/// Returns dockerd's error with status 400 for `named`, a text that is neither the name nor the number of a signal. The
/// message repeats its first 100 characters.
pub fn invalid_signal(named: &str) -> DockerError {
    let shown: String = named.chars().take(100).collect();
    DockerError::invalid(format!("invalid signal: {shown}"))
}

/// Returns the text with escapes in place of characters that a terminal would interpret, except line breaks and
/// tabs. The docker CLI prints messages as they arrive, and a guest, an image or a registry may have written a part
/// of them.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            // These characters change the direction of the text around them (Unicode, UAX 9).
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                shown.extend(character.escape_unicode());
            }
            character if character.is_control() => shown.extend(character.escape_default()),
            character => shown.push(character),
        }
    }
    shown
}

impl IntoResponse for DockerError {
    fn into_response(self) -> Response {
        let printable = printable(&self.message);
        let message = Message {
            message: &printable,
        };
        // Strings can always be serialized.
        let mut text = serde_json::to_string(&message).unwrap_or_default();
        text.push('\n');
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = self.status;
        let kind = axum::http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

impl From<Refusal> for DockerError {
    fn from(refusal: Refusal) -> Self {
        let message = message_of(&refusal);
        let status = match refusal.kind() {
            // dockerd answers these with this status, although their kind has another one
            // elsewhere.
            _ if bind_failure(&refusal).is_some() => StatusCode::INTERNAL_SERVER_ERROR,
            _ if matches!(refusal, Refusal::NotConnected { .. }) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ if matches!(refusal, Refusal::PoolsExhausted { .. }) => StatusCode::BAD_REQUEST,
            RefusalKind::NotFound => StatusCode::NOT_FOUND,
            RefusalKind::Conflict => StatusCode::CONFLICT,
            RefusalKind::Invalid => StatusCode::BAD_REQUEST,
            RefusalKind::Forbidden | RefusalKind::Exhausted => StatusCode::FORBIDDEN,
        };
        Self { status, message }
    }
}

/// The beginning of dockerd's message for a host port that cannot be bound. The container's endpoint, if it is known,
/// and the reason follow.
pub const NOT_BOUND: &str = "driver failed programming external connectivity";

/// Returns why a port of the VCH cannot be published, without [`NOT_BOUND`], if that is the ledger's reason to refuse a
/// command; `None` if the refusal has another reason.
pub fn bind_failure(refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::Port(PortRefusal::Taken { host, .. }) => Some(format!(
            "Bind for {} failed: port is already allocated",
            address_and_port(host)
        )),
        Refusal::Port(PortRefusal::RangeTaken { .. }) => Some("all ports are allocated".to_owned()),
        Refusal::Port(
            PortRefusal::InUse { .. }
            | PortRefusal::Reserved { .. }
            | PortRefusal::Exhausted { .. },
        ) => Some(refusal.to_string()),
        _ => None,
    }
}

/// Returns dockerd's message if dockerd has the case, or else the ledger's. The ledger's remedies
/// are about `vchctl` and are left out.
fn message_of(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NetworkNotFound(name) => format!("network {name} not found"),
        // dockerd's message about the network, extended by the network's name.
        Refusal::NetworkMissing { network, id, .. } => format!(
            "failed to set up container networking: network {id} not found: {network} was removed meanwhile: connect the container to a network of that name, or disconnect it"
        ),
        Refusal::ContainerNotFound(name) => format!("No such container: {name}"),
        Refusal::NetworkExists(name) => format!("network with name {name} already exists"),
        Refusal::PredefinedName(name) => predefined_name(name.as_str()),
        Refusal::PredefinedNetwork(name) => {
            format!("{name} is a pre-defined network and cannot be removed")
        }
        Refusal::NetworkInUse { network, endpoints } => format!(
            "error while removing network: network {network} has active endpoints ({endpoints})"
        ),
        Refusal::NoConfiguration(name) => {
            format!("configuration network {name:?} does not exist")
        }
        Refusal::ConfigurationInUse(name) => {
            format!("error while removing network: configuration network \"{name}\" is in use")
        }
        Refusal::PoolsExhausted { .. } => {
            "all predefined address pools have been fully subnetted".to_owned()
        }
        Refusal::AddressInUse { .. } | Refusal::AddressReserved { .. } => {
            "Address already in use".to_owned()
        }
        Refusal::AddressOutside { address, .. } => format!(
            "invalid endpoint settings:\nno configured subnet contains IP address {address}"
        ),
        Refusal::AddressOnDefaultBridge(_) => {
            "user-specified IP address is supported on user-defined networks only".to_owned()
        }
        Refusal::AlreadyConnected { container, network } => {
            format!("{container} is already attached to network {network}")
        }
        Refusal::NotConnected { container, network } => {
            format!("container {container} is not connected to network {network}")
        }
        refused => match bind_failure(refused) {
            Some(why) => format!("{NOT_BOUND}: {why}"),
            None => in_lines(&refused.to_string()),
        },
    }
}

/// Returns an address and port as dockerd writes them: without a protocol, and with its wildcard
/// for all addresses of the VCH.
fn address_and_port(host: &HostPort) -> String {
    let address = host.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    SocketAddr::new(address, host.port).to_string()
}

/// Breaks the line after dockerd's heading, as dockerd does.
fn in_lines(text: &str) -> String {
    const HEAD: &str = "invalid network config: ";
    match text.strip_prefix(HEAD) {
        Some(rest) => format!("{}\n{rest}", HEAD.trim_end()),
        None => text.to_owned(),
    }
}

/// Returns dockerd's message for status 403: a network's name, such as `host`, cannot be used because only dockerd
/// itself uses it. The message ends with a space, as dockerd's does.
pub fn predefined_name(name: &str) -> String {
    format!("operation is not permitted on predefined {name} network ")
}

impl From<RequestError> for DockerError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(refusal) => refusal.into(),
            RequestError::NotKept(error) => error.into(),
            other => Self::failed(vch_log::error_chain(&other)),
        }
    }
}

impl From<WriterError> for DockerError {
    fn from(error: WriterError) -> Self {
        let status = match error {
            WriterError::Ended => StatusCode::SERVICE_UNAVAILABLE,
            WriterError::Full => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

#[cfg(test)]
mod tests;

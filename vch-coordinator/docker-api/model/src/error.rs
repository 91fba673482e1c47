//! Errors as dockerd has them: a status and a sentence.

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

/// An answer that is no success: `{"message": "..."}` with dockerd's status and, where dockerd has the
/// same case, its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerError {
    /// The status.
    pub status: StatusCode,
    /// What the client shows behind "Error response from daemon: ".
    pub message: String,
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

impl DockerError {
    /// Any status.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    /// 400: the request itself can't be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 403: it must not be.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: what was named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409: something else is in its way.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 500: it was tried, and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 501: a feature of dockerd's that a VCH does not have, and what to do instead.
    pub fn unsupported(feature: &str, remedy: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            format!("{feature} is not supported by this Virtual Container Host: {remedy}"),
        )
    }

    /// What dockerd answers where it has no route.
    pub fn page_not_found() -> Self {
        Self::not_found("page not found")
    }

    /// What was asked for was made, and removed by another request before it could be shown.
    pub fn gone() -> Self {
        Self::conflict("it was removed by another request in the same moment: ask again")
    }
}

/// Returns 400: a signal that is not known, in dockerd's words.
pub fn invalid_signal(named: &str) -> DockerError {
    let shown: String = named.chars().take(100).collect();
    DockerError::invalid(format!("invalid signal: {shown}"))
}

/// A text that a terminal shows and does not obey: the CLI prints messages as they come, and a guest, an image
/// or a registry may have written a part of them.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            // What changes the order of what stands beside it (Unicode, UAX 9).
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
        // Strings alone: they always can be written.
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
        let message = words(&refusal);
        let status = match refusal.kind() {
            // dockerd's own status for these, whatever their kind is elsewhere.
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

/// How dockerd begins where a port can't be had.
pub const NOT_BOUND: &str = "driver failed programming external connectivity";

/// Why a port of the VCH can't be had; `None` where something else is refused.
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

/// dockerd's words where it has the case, else the ledger's own. What stands behind them there as a
/// remedy is of `vchctl`, and left out.
fn words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NetworkNotFound(name) => format!("network {name} not found"),
        // What dockerd says of the network, and what it does not say: which one it was.
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

/// dockerd names no protocol, and all of the VCH's addresses so.
fn address_and_port(host: &HostPort) -> String {
    let address = host.address.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    SocketAddr::new(address, host.port).to_string()
}

/// dockerd breaks the line behind this head.
fn in_lines(text: &str) -> String {
    const HEAD: &str = "invalid network config: ";
    match text.strip_prefix(HEAD) {
        Some(rest) => format!("{}\n{rest}", HEAD.trim_end()),
        None => text.to_owned(),
    }
}

/// What dockerd says of a name that is its own; with a space at its end.
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

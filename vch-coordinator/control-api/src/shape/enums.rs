//! The enumerations in answers, which the coordinator and its clients share.
//!
//! Each has the variant `Other`, which keeps a word that this release does not know, so that an older
//! `vchctl` can show the answers of a newer coordinator. A coordinator never sends such a word.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of a network's link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge of the VCH.
    Bridge,
    /// A link of the VCH to an external network.
    External,
    /// No link.
    Null,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// From where the containers on a network can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// From the VCH and from other containers on the network.
    Bridge,
    /// From hosts outside the VCH.
    External,
    /// From nowhere: containers on the network have no interface.
    None,
    /// From nowhere: other networks take their configuration from this one, and it carries no containers.
    Configuration,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The kind of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// A bridge of the VCH.
    Bridge,
    /// The network `none`, for containers without a network.
    None,
    /// A link to an external network, which the configuration names.
    External,
    /// A configuration from which other networks are made; it carries no containers.
    Configuration,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// Which bridge of the VCH carries a bridge network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// A bridge that only this network uses.
    Dedicated,
    /// The one bridge that all shared networks use; only their subnets differ.
    Shared,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// Which side assigns the addresses of containers on an external network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// The VCH, from the ranges of the subnets.
    Static,
    /// A DHCP server on the network.
    Dhcp,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The traffic that may pass between an external network and its containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Connections that a container began, and connections to its published and exposed ports.
    Published,
    /// No traffic.
    Closed,
    /// Connections that a container began.
    Outbound,
    /// Connections that a container began, and connections between containers of the network.
    Peers,
    /// All traffic.
    Open,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// Whether a container's agent has applied the container's newest spec (the network configuration that its VM must
/// have).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// The agent reported that the newest spec is applied and every interface is up.
    Ready,
    /// The agent has not reported about the newest spec yet.
    Pending,
    /// The agent reported that it could not apply a part of the newest spec.
    Failed,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// Whether an endpoint is configured in its VM, as the VM's agent reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// The interface is up, with the addresses and routes of the spec.
    Up,
    /// The VM has no NIC for the endpoint yet.
    Waiting,
    /// The agent could not apply a part of the endpoint's configuration.
    Failed,
    /// The agent does not support a part of the endpoint's configuration.
    Unsupported,
    /// The agent has not reported about the endpoint yet.
    Pending,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The VCH's end of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// A tap device, which the program that runs the VM opens.
    Tap,
    /// A veth pair, whose other end is in a network namespace.
    Veth,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The transport protocol of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// How far a change is when its request is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// The change is in force: stored, applied on the VCH and, with a connected agent, confirmed by it.
    Done,
    /// The change is stored and applied on the VCH, but the container's agent has not confirmed it yet.
    Pending,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The kind of a row of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A network.
    Network,
    /// A container.
    Container,
    /// A container's endpoint on a network.
    Endpoint,
    /// An address that was released and is not assigned again for a while.
    RestingAddress,
    /// Where the search for a subnet's next automatic address continues.
    AddressCursor,
    /// A published port that is in force.
    PortBinding,
    /// A text that the ledger stores for a container and does not read.
    Document,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// Implements `Display` for the enumerations, by their words in JSON.
macro_rules! displayed_as_words {
    ($($words:ty),* $(,)?) => {$(
        impl fmt::Display for $words {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}

displayed_as_words!(
    Driver,
    Scope,
    NetworkKind,
    Segment,
    Addressing,
    Level,
    Readiness,
    EndpointState,
    Attachment,
    Protocol,
    Progress,
    RowKind,
);

#[cfg(test)]
mod tests;

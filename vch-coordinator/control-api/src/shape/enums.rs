//! The enumerations in answers, which the coordinator and its clients share.
//!
//! Each has the variant `Other`, which keeps a word that this release does not know, so that an older
//! `vchctl` can show the answers of a newer coordinator. A coordinator never sends such a word.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of link on the VCH that carries a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge of the VCH.
    Bridge,
    /// An existing link of the VCH that leads to an external network.
    External,
    /// No link: the network `none`, or a configuration that other networks are made from.
    Null,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// From where the containers on a network can be reached at their own addresses. Published ports do not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// From the VCH and from other containers on the network.
    Bridge,
    /// From hosts outside the VCH, as far as the network's level permits.
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
    /// A configuration from which other networks are made (Docker's `--config-only`); it carries no containers.
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

/// The source of containers' addresses on an external network: the VCH, or a DHCP server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// The VCH chooses the addresses, from the ranges of the network's subnets.
    Static,
    /// A DHCP server on the network assigns the addresses.
    Dhcp,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The traffic that may pass between an external network and its containers, as the VCH's configuration sets it for the
/// network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Connections that a container began, and connections from the network to the ports that the container publishes
    /// or exposes.
    Published,
    /// No traffic.
    Closed,
    /// Connections that a container began.
    Outbound,
    /// Connections that a container began, and all traffic between containers of the VCH on this network.
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
    /// The agent reported that it has applied the newest spec or a later one, and that every interface is up.
    Ready,
    /// The container does not run, its agent has not reported about the newest spec yet, or a NIC is still missing in
    /// the VM.
    Pending,
    /// The agent reported that it could not apply a part of the newest spec, or it has a newer spec than the ledger,
    /// whose store was replaced by an older copy.
    Failed,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// Whether an endpoint (a container's connection to a network) is configured in the container's VM, as the VM's agent
/// last reported.
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
    /// The container does not run, or its agent has not reported about the endpoint in the newest spec yet.
    Pending,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The kind of link on the VCH by which an endpoint (a container's connection to a network) is attached to the
/// network's bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// A tap device, which the program that runs the container's VM opens for the VM's NIC.
    Tap,
    /// A veth pair: one end is on the bridge, the other end in a network namespace.
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

/// How far a change is when its request is answered. Only connecting and disconnecting a running container wait for its
/// agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// The change is stored and in force on the VCH and, if it connects or disconnects a running container, in its VM,
    /// as the agent reported.
    Done,
    /// The change is stored, and not known to be complete: the container's agent is not connected or has not reported
    /// it in time, or the VCH could not carry out a removal and retries it.
    Pending,
    /// A value that this release does not know, of a newer coordinator: its text in JSON.
    #[serde(untagged)]
    Other(String),
}

/// The kind of a row: of one of the objects that the ledger stores.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A network.
    Network,
    /// A container.
    Container,
    /// A container's endpoint on a network.
    Endpoint,
    /// An address that an endpoint released: the VCH does not choose it again while other addresses of the subnet are
    /// free.
    RestingAddress,
    /// The position in a subnet from which the VCH searches the next free address for an endpoint.
    AddressCursor,
    /// A published port that is in force: a port of the VCH that leads to a running container.
    PortBinding,
    /// A text that another part of the VCH stores with a container, and that the ledger does not read, such as the
    /// description of what its VM is to run.
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

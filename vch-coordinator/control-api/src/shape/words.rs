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
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// From where a network is reachable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// From the VCH.
    Bridge,
    /// From external hosts.
    External,
    /// From nowhere.
    None,
    /// From nowhere: the network is a template for other networks.
    Configuration,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// The kind of a network's row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// A bridge network.
    Bridge,
    /// The network of containers without a network.
    None,
    /// An external network of the configuration.
    External,
    /// A template for other networks.
    Configuration,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// The segment of a bridge network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// The network's own bridge.
    Dedicated,
    /// The bridge of all shared networks.
    Shared,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// Who assigns the addresses of an external network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// The VCH, from the ranges of the subnets.
    Static,
    /// A DHCP server on the network.
    Dhcp,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// The traffic that may pass between an external network and its containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Flows that a container began, and flows to its opened ports.
    Published,
    /// No traffic.
    Closed,
    /// Flows that a container began.
    Outbound,
    /// Flows that a container began, and flows between containers of the network.
    Peers,
    /// All traffic.
    Open,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// Whether a container's agent has applied the newest spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// The newest report shows that the newest spec is applied and everything is up.
    Ready,
    /// The agent has not reported that yet.
    Pending,
    /// A part was refused.
    Failed,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// The state of an endpoint in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// The endpoint is configured as in the spec, and up.
    Up,
    /// The endpoint's NIC is not plugged yet.
    Waiting,
    /// A part was refused.
    Failed,
    /// The agent does not support it.
    Unsupported,
    /// No report about the endpoint has arrived yet.
    Pending,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// How an endpoint is attached to its container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// A tap, which a VM opens.
    Tap,
    /// One end of a veth pair, in a network namespace.
    Veth,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// The protocol of a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// How far a request has come when it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// The change is in force.
    Done,
    /// The change is committed and in force on the VCH, and not yet reported by the agent.
    Pending,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// The kind of a changed row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A network.
    Network,
    /// A container.
    Container,
    /// A container's endpoint on a network.
    Endpoint,
    /// An address that was released and is not assigned again yet.
    RestingAddress,
    /// The position at which the search for a subnet's next address continues.
    AddressCursor,
    /// A published port that is in force.
    PortBinding,
    /// A document of a container.
    Document,
    /// A word of another release.
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

//! Closed sets of words in answers, each an enum that the coordinator and its clients share.
//!
//! Each has `Other`, which keeps a word that this release does not know: `vchctl` of one release shows and prints the
//! answers of a newer coordinator as they are, and does not fail at a word that it need not understand. A coordinator
//! itself says no such word.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What carries a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge of the VCH.
    Bridge,
    /// A link of the VCH to a network outside.
    External,
    /// Nothing.
    Null,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// From where a network is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// From the VCH.
    Bridge,
    /// From outside.
    External,
    /// From nowhere.
    None,
    /// From nowhere: other networks are made of it.
    Configuration,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// What a network's row is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// A bridge network.
    Bridge,
    /// The network of containers that want none.
    None,
    /// A network outside, as the configuration declares it.
    External,
    /// What other networks are made of.
    Configuration,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// What carries a bridge network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Segment {
    /// A bridge of its own.
    Dedicated,
    /// The bridge of all shared networks.
    Shared,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// Who gives the addresses of an external network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// The VCH, from the ranges of the subnets.
    Static,
    /// A DHCP server on it.
    Dhcp,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// What may pass between an external network and its containers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What a container began, and what its opened ports let in.
    Published,
    /// Nothing, either way.
    Closed,
    /// What a container began.
    Outbound,
    /// That, and other containers of the network.
    Peers,
    /// Everything, both ways.
    Open,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// How a container's agent has the newest spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readiness {
    /// Its newest report shows the newest spec, everything up.
    Ready,
    /// It has not reported that yet.
    Pending,
    /// Something was refused.
    Failed,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// How an endpoint is in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// As the spec says, and up.
    Up,
    /// Its NIC is not there yet.
    Waiting,
    /// Something was refused.
    Failed,
    /// The agent cannot do it.
    Unsupported,
    /// No report about it yet.
    Pending,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// By what an endpoint is attached to its container.
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
    /// In force.
    Done,
    /// Committed and in force on the VCH, not yet reported by the agent.
    Pending,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// What a changed row is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A network.
    Network,
    /// A container.
    Container,
    /// A container's endpoint on a network.
    Endpoint,
    /// An address that was given back and waits before it is handed out again.
    RestingAddress,
    /// Where the search for a subnet's next address goes on.
    AddressCursor,
    /// A published port that is in force.
    PortBinding,
    /// A text that is kept with a container.
    Document,
    /// A word of another release.
    #[serde(untagged)]
    Other(String),
}

/// Displays each as the word that it is in JSON.
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

//! The messages between coordinator and agent.
//!
//! The agent begins with [`Hello`]; the coordinator answers [`Welcome`] or [`Refusal`], then sends
//! the newest [`NetSpec`] and receives its outcome by [`Report`]. A frame may be lost on a serial
//! line: [`Ping`] and [`Pong`] carry what each side has seen last, and a side that learns that the
//! other lacks something sends it again.
//!
//! Encoded by postcard, which is positional: enums here only ever grow at their end, and a struct
//! of a released version never changes. See `tests/golden.rs` for the frozen bytes.
//! [`Hello`], [`Refusal`] and `Probe` come before a version is agreed on: every version reads them.

mod codec;

pub(crate) use codec::bounded;
pub use codec::{
    DecodeError, EncodeError, Envelope, MAX_ACTION, MAX_AGENT_NAME, MAX_CAPABILITIES, MAX_FAILURES,
    MAX_LOG_TEXT, Message,
};

pub use crate::session_nonce::SessionNonce;

use crate::spec::{InterfaceName, MacAddress, NetSpec, Route, SpecId};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A version of the protocol.
pub type Version = u16;
/// The oldest version that this build speaks.
pub const OLDEST_VERSION: Version = 1;
/// The newest version that this build speaks.
pub const NEWEST_VERSION: Version = 1;

/// A message from the coordinator to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// Asks for another hello: the coordinator has just opened the channel, or knows no such
    /// session.
    Probe,
    /// Begins the session.
    Welcome(Welcome),
    /// Refuses the session.
    Refuse(Refusal),
    /// Gives the network that the VM must have from now on.
    Spec(NetSpec),
    /// Asks for a pong.
    Ping(Ping),
}

/// A message from an agent to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// Asks for a session; the first message of one.
    Hello(Hello),
    /// Reports the state of the network after a spec was applied, or since something changed.
    Report(Report),
    /// Tells that a link appeared, changed or was removed.
    Link(LinkEvent),
    /// Answers a ping.
    Pong(Pong),
    /// A line of the agent's log.
    Log(LogLine),
}

/// The first message of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest version that the agent speaks.
    pub oldest: Version,
    /// The newest version that the agent speaks.
    pub newest: Version,
    /// The nonce that the agent chose for this session.
    pub nonce: SessionNonce,
    /// The agent's name and release, at most 64 bytes.
    pub agent: String,
    /// The agent's capabilities beyond the static network of version 1.
    pub capabilities: Vec<Capability>,
    /// The spec that the agent holds applied, if any.
    pub held: Option<SpecId>,
}

/// A capability that not every agent has. An interface whose spec needs one that the agent lacks is
/// reported as [`InterfaceState::Unsupported`], and never applied in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum Capability {
    /// The agent leases addresses by DHCP.
    Dhcp,
    /// The agent enforces firewall levels other than `Open`.
    Firewall,
    /// A capability of a later version, by its number there, so that the hello stays readable.
    Unknown(u32),
}

impl From<u32> for Capability {
    fn from(number: u32) -> Self {
        match number {
            0 => Self::Dhcp,
            1 => Self::Firewall,
            later => Self::Unknown(later),
        }
    }
}

impl From<Capability> for u32 {
    fn from(capability: Capability) -> Self {
        match capability {
            Capability::Dhcp => 0,
            Capability::Firewall => 1,
            Capability::Unknown(later) => later,
        }
    }
}

/// The coordinator's message that begins a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both sides use from now on.
    pub version: Version,
    /// The time between two pings, in milliseconds.
    pub heartbeat_ms: u32,
}

/// The reason for which the coordinator refuses a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No version is spoken by both sides.
    Version {
        /// The oldest version that the coordinator speaks.
        oldest: Version,
        /// The newest version that the coordinator speaks.
        newest: Version,
    },
    /// Another agent holds this channel's session.
    Occupied,
    /// The container has not been started, so it has no incarnation.
    NotStarted,
}

/// The coordinator's question whether the agent lives, with the state that the coordinator holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The number of the ping within the session.
    pub sequence: u64,
    /// The ID of the newest spec: an agent that never received it says so by its pong.
    pub desired: Option<SpecId>,
    /// The number of the last report received; an agent that sent a later one sends it again.
    pub report_seen: u64,
}

/// The agent's answer to a ping, with the state that the agent holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's number.
    pub sequence: u64,
    /// The newest spec received, whether applied or being applied.
    pub received: Option<SpecId>,
    /// The number of the last report sent.
    pub report_sent: u64,
}

/// The state of the VM's network, after a spec was applied or since something changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The number of the report within the session, from 1.
    pub sequence: u64,
    /// The spec that was applied.
    pub spec: SpecId,
    /// The state of each interface of the spec, in its order.
    pub interfaces: Vec<InterfaceReport>,
    /// The failures that belong to no interface (hostname, hosts, resolver).
    pub failures: Vec<Failure>,
}

/// The state of one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceReport {
    /// The interface's name in the spec.
    pub name: InterfaceName,
    /// The MAC address that the spec gives it.
    pub mac: MacAddress,
    /// Whether the interface is as the spec says.
    pub state: InterfaceState,
    /// MTU in bytes, as the kernel has it; 0 while there is no NIC.
    pub mtu: u32,
    /// The addresses that the kernel has on the interface, without link-local ones.
    pub addresses: Vec<IpNet>,
    /// The routes of the kernel's main table on the interface that the agent set.
    pub routes: Vec<Route>,
}

/// Whether an interface is as the spec says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceState {
    /// The interface is up, as the spec says.
    Up,
    /// The interface's NIC has not appeared yet.
    Waiting,
    /// The kernel refused something.
    Failed(Failure),
    /// The spec needs a capability that this agent lacks; nothing of the interface was applied.
    Unsupported(Capability),
}

/// An action that was tried and refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The action and its object, as a phrase: "add address 10.0.0.2/16 to eth0". At most 256
    /// bytes.
    pub action: String,
    /// The kernel's errno (errno(3)); 0 if it was not the kernel that refused.
    pub errno: i32,
}

/// An event of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEvent {
    /// The link's name.
    pub name: InterfaceName,
    /// The event.
    pub change: LinkChange,
}

/// A change of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkChange {
    /// The link appeared.
    Appeared,
    /// The link is up and has a carrier.
    Up,
    /// The link is down or lost its carrier.
    Down,
    /// The link was removed.
    Gone,
}

/// A line of the agent's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The level of the line.
    pub level: LogLevel,
    /// The line, at most 512 bytes.
    pub text: String,
}

/// The level of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is unusual.
    Warn,
    /// An action was taken.
    Info,
    /// Details of an action.
    Debug,
}

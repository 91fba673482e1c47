//! What both sides say to one another.
//!
//! The agent begins with [`Hello`]; the coordinator answers [`Welcome`] or [`Refusal`], then sends
//! the newest [`NetSpec`] and is told by [`Report`] what became of it.
//! A frame may be lost on a serial line: [`Ping`] and [`Pong`] carry what each side has last seen,
//! and whoever learns that the other lacks something sends it again.
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

/// From the coordinator to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// Say hello again: the coordinator has just opened the channel, or knows no such session.
    Probe,
    /// The session stands.
    Welcome(Welcome),
    /// There will be no session.
    Refuse(Refusal),
    /// The network that the VM must have from now on.
    Spec(NetSpec),
    /// Are you there?
    Ping(Ping),
}

/// From an agent to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// First message of a session.
    Hello(Hello),
    /// What became of a spec, or what has changed since.
    Report(Report),
    /// A link came, went or changed.
    Link(LinkEvent),
    /// Answer to a ping.
    Pong(Pong),
    /// A line of the agent's log.
    Log(LogLine),
}

/// First message of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Oldest version that the agent speaks.
    pub oldest: Version,
    /// Newest version that the agent speaks.
    pub newest: Version,
    /// The agent's mark for this session.
    pub nonce: SessionNonce,
    /// The agent's name and release, at most 64 bytes.
    pub agent: String,
    /// What it can do beyond the static network of version 1.
    pub capabilities: Vec<Capability>,
    /// The spec that it holds applied, if any.
    pub held: Option<SpecId>,
}

/// Something that not every agent can do. What a spec asks for and the agent lacks is reported
/// [`InterfaceState::Unsupported`], never applied in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum Capability {
    /// Leases addresses by DHCP.
    Dhcp,
    /// Enforces firewall levels other than `Open`.
    Firewall,
    /// One that only a later version names, by its number there: a hello stays readable.
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

/// The session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that both sides use from now on.
    pub version: Version,
    /// Milliseconds between two pings.
    pub heartbeat_ms: u32,
}

/// Why there will be no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No version is spoken by both sides.
    Version {
        /// Oldest version that the coordinator speaks.
        oldest: Version,
        /// Newest version that the coordinator speaks.
        newest: Version,
    },
    /// Another agent holds this channel's session.
    Occupied,
    /// The container has not been started: nobody made an incarnation for it.
    NotStarted,
}

/// Are you there, and do you hold this?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Counts the pings of a session.
    pub sequence: u64,
    /// The newest spec: an agent that never saw it says so by its pong.
    pub desired: Option<SpecId>,
    /// The last report seen; an agent that sent a later one sends it again.
    pub report_seen: u64,
}

/// I am here, and hold this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's.
    pub sequence: u64,
    /// The newest spec received, applied or being applied.
    pub received: Option<SpecId>,
    /// The last report sent.
    pub report_sent: u64,
}

/// What the VM's network is, after a spec was applied or since something changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Counts the reports of a session, from 1.
    pub sequence: u64,
    /// The spec that was applied.
    pub spec: SpecId,
    /// One entry an interface of the spec, in its order.
    pub interfaces: Vec<InterfaceReport>,
    /// What failed that belongs to no interface (hostname, hosts, resolver).
    pub failures: Vec<Failure>,
}

/// What one interface is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceReport {
    /// The interface's name in the spec.
    pub name: InterfaceName,
    /// The MAC address that the spec gives it.
    pub mac: MacAddress,
    /// Whether it is as it must be.
    pub state: InterfaceState,
    /// MTU in bytes, as the kernel has it; 0 while there is no NIC.
    pub mtu: u32,
    /// Addresses that the kernel has there, link-local ones left out.
    pub addresses: Vec<IpNet>,
    /// Routes of the main table that the agent's kernel has there and the agent set.
    pub routes: Vec<Route>,
}

/// Whether an interface is as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceState {
    /// As the spec says, and up.
    Up,
    /// Its NIC is not there yet.
    Waiting,
    /// Something was refused.
    Failed(Failure),
    /// The spec asks for what this agent can't do; nothing of the interface was applied.
    Unsupported(Capability),
}

/// Something that was tried and refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What was being done, in words, with its object: "add address 10.0.0.2/16 to eth0". At most
    /// 256 bytes.
    pub action: String,
    /// The kernel's errno (errno(3)); 0 where it was not the kernel that refused.
    pub errno: i32,
}

/// A link came, went or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEvent {
    /// The link's name.
    pub name: InterfaceName,
    /// What became of it.
    pub change: LinkChange,
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkChange {
    /// It appeared.
    Appeared,
    /// It has carrier and is up.
    Up,
    /// It is down or lost its carrier.
    Down,
    /// It is gone.
    Gone,
}

/// A line of the agent's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How urgent.
    pub level: LogLevel,
    /// The line, at most 512 bytes.
    pub text: String,
}

/// How urgent a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// What was done.
    Info,
    /// How it was done.
    Debug,
}

//! The messages between coordinator and agent.
//!
//! The agent begins a session with [`Hello`]; the coordinator answers [`Welcome`] or [`Refusal`].
//! It then sends the newest [`NetSpec`] (the network that the VM must have), and receives the
//! result as [`Report`]. A serial line may lose a frame. Therefore [`Ping`] and [`Pong`] contain
//! what each side has received last, and a side that learns that the other lacks something sends it
//! again.
//!
//! Messages are encoded by postcard, which identifies fields and variants by their positions: new
//! variants are only ever added at the end of an enum, and a struct of a released version never
//! changes. `tests/golden.rs` has the frozen bytes. [`Hello`], [`Refusal`] and `Probe` are sent
//! before both sides agree on a version, so every version reads them.

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

/// The version of the messages between coordinator and agent, on which both agree at the beginning of
/// each session.
pub type Version = u16;
/// The oldest message version that this build supports.
pub const OLDEST_VERSION: Version = 1;
/// The newest message version that this build supports.
pub const NEWEST_VERSION: Version = 1;

/// A message from the coordinator, on the VCH, to the agent in a container's VM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToAgent {
    /// Asks the agent for a new [`Hello`]. The coordinator sends this after it has opened the
    /// channel, and when it receives frames of a session that it does not know.
    Probe,
    /// Accepts the agent's [`Hello`]: the session begins.
    Welcome(Welcome),
    /// Refuses the session that the agent asked for by [`Hello`], with the reason.
    Refuse(Refusal),
    /// Contains the network configuration that the VM must have from now on.
    Spec(NetSpec),
    /// Checks that the agent is alive; answered with [`ToCoordinator::Pong`].
    Ping(Ping),
}

/// A message from the agent in a container's VM to the coordinator, on the VCH.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToCoordinator {
    /// Asks for a session (a conversation marked by one random nonce). It is the first message of every session.
    Hello(Hello),
    /// Reports the state of the VM's network, after the agent has applied a [`NetSpec`] or when the state has changed
    /// since.
    Report(Report),
    /// Reports that an Ethernet link of the VM appeared, went up or down, or disappeared.
    Link(LinkEvent),
    /// Answers [`ToAgent::Ping`].
    Pong(Pong),
    /// Contains a line of the agent's log, which the coordinator logs too.
    Log(LogLine),
}

/// The agent's request for a session with the coordinator: the first message of the session, with what the coordinator
/// must know about the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest message version that the agent supports.
    pub oldest: Version,
    /// The newest message version that the agent supports.
    pub newest: Version,
    /// The random number that the agent chose for this session; all of its frames have it.
    pub nonce: SessionNonce,
    /// The agent's program name and release for logs, such as `tether-net 1.0.0`. At most [`MAX_AGENT_NAME`] bytes.
    pub agent: String,
    /// The optional features that the agent has. Empty if it can apply static addresses only. At
    /// most [`MAX_CAPABILITIES`].
    pub capabilities: Vec<Capability>,
    /// The ID of the newest [`NetSpec`] that the agent has received, in this session or an earlier one; `None` if it
    /// has none. The coordinator sends its own if that is of another incarnation, or has a greater generation.
    pub held: Option<SpecId>,
}

/// A feature that only some agents have. If an interface of a [`NetSpec`] needs a capability that the agent lacks, the
/// agent applies nothing of that interface and reports [`InterfaceState::Unsupported`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum Capability {
    /// The agent can lease addresses from a DHCP server
    /// ([`Addressing::Dhcp`](crate::spec::Addressing::Dhcp)).
    Dhcp,
    /// The agent can filter an interface's traffic: it supports every
    /// [`FirewallLevel`](crate::spec::FirewallLevel), not only `Open`.
    Firewall,
    /// A capability that a newer release has added and this build does not know, as its number on
    /// the wire.
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

/// The coordinator's message that accepts an agent's [`Hello`] and begins the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The message version that both sides use in this session.
    pub version: Version,
    /// The time between two pings of the coordinator, in milliseconds, from 100 to 60,000. The agent considers the
    /// session lost if it receives nothing for five times as long.
    pub heartbeat_ms: u32,
}

/// The reason why the coordinator refuses a session to the agent that sent a [`Hello`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Coordinator and agent have no message version in common.
    Version {
        /// The oldest message version that the coordinator supports.
        oldest: Version,
        /// The newest message version that the coordinator supports.
        newest: Version,
    },
    /// Another agent already has a session on this container's channel.
    Occupied,
    /// The container is not started, so the coordinator has no [`NetSpec`] for its VM.
    NotStarted,
}

/// The coordinator's periodic check that the agent is alive. It also tells the agent what the
/// coordinator has received, so that the agent repeats what was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// The number of this ping within the session, from 1. The answer ([`Pong`]) repeats it.
    pub sequence: u64,
    /// The ID of the [`NetSpec`] that the VM must have now; `None` if the container is stopped. The agent's [`Pong`]
    /// shows whether it has received that one.
    pub desired: Option<SpecId>,
    /// The number ([`Report::sequence`]) of the newest report that the coordinator has received and stored, 0 if none.
    /// The agent sends its newest report again if that has a greater number.
    pub report_seen: u64,
}

/// The agent's answer to a [`Ping`], with what the agent has received and sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The number of the ping that this answers.
    pub sequence: u64,
    /// The ID of the newest [`NetSpec`] that the agent has received, applied or not; `None` if it has none.
    pub received: Option<SpecId>,
    /// The number ([`Report::sequence`]) of the newest report that the agent has sent in this
    /// session, 0 if none.
    pub report_sent: u64,
}

/// The state of the VM's network as the agent reads it from the guest's kernel, after it has applied a [`NetSpec`] or
/// when the state has changed since. If it would be too long for a frame, all routes and, if need be, all addresses are
/// left out, and `failures` has an entry about that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The number of the report within the session, from 1. A report that is sent again keeps its number.
    pub sequence: u64,
    /// The ID of the [`NetSpec`] that the agent applied.
    pub spec: SpecId,
    /// The state of each interface of the [`NetSpec`], in its order.
    pub interfaces: Vec<InterfaceReport>,
    /// The failures that concern no single interface: of the host name, /etc/hosts or /etc/resolv.conf, for example. At
    /// most [`MAX_FAILURES`]; further ones are left out.
    pub failures: Vec<Failure>,
}

/// The state of one network interface of the VM, as a part of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceReport {
    /// The interface's name, as the [`NetSpec`] gives it.
    pub name: InterfaceName,
    /// The interface's MAC address, as the [`NetSpec`] gives it.
    pub mac: MacAddress,
    /// Whether the interface agrees with the [`NetSpec`], and the reason if it does not.
    pub state: InterfaceState,
    /// The interface's MTU in bytes, as the kernel has it; 0 if the VM has no NIC for the interface, or the interface
    /// is unsupported.
    pub mtu: u32,
    /// The addresses that the kernel has on the interface, whatever program added them, except link-local IPv6 ones.
    /// Empty if the VM has no NIC for the interface, or the interface is unsupported.
    pub addresses: Vec<IpNet>,
    /// The routes through the interface that the agent has added to the kernel's main table; routes
    /// of other programs are not listed.
    pub routes: Vec<Route>,
}

/// Whether a network interface of the VM agrees with the [`NetSpec`] that the agent has applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceState {
    /// The interface is up, and has all that the [`NetSpec`] demands.
    Up,
    /// The VM has no NIC for the interface yet. The agent configures the interface when the NIC
    /// appears.
    Waiting,
    /// The agent could not do something that the [`NetSpec`] demands: this is the first such action. It has done the
    /// rest as far as possible.
    Failed(Failure),
    /// The interface needs this capability, which the agent lacks. The agent has applied nothing of the interface.
    Unsupported(Capability),
}

/// An action of the agent that failed, in a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The action and its object as an English phrase, such as "add address 10.0.0.2/16 to eth0".
    /// At most [`MAX_ACTION`] bytes.
    pub action: String,
    /// The error number (errno(3)): the kernel's, or one that the agent chose because it did not try the action; 0 if
    /// the failure has none.
    pub errno: i32,
}

/// A change of one Ethernet link of the VM, which the agent has seen since it began to observe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkEvent {
    /// The name of the link in the VM.
    pub name: InterfaceName,
    /// The change.
    pub change: LinkChange,
}

/// A change of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkChange {
    /// The VM has a new link. If the link is up and has a carrier, an event `Up` follows.
    Appeared,
    /// The link is up and has a carrier.
    Up,
    /// The link is down or lost its carrier.
    Down,
    /// The link was removed.
    Gone,
}

/// A line of the agent's log, sent to the coordinator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The severity of the line.
    pub level: LogLevel,
    /// The text, without level and time. At most [`MAX_LOG_TEXT`] bytes.
    pub text: String,
}

/// The severity of a line of the agent's log, the most severe first, so that `Error` is the least value.
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

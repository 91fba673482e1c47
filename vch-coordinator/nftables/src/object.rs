//! Tables and chains.

use std::fmt;

use crate::name::Name;

/// The family of a table: which packets pass its rules. Its numeric value is `NFPROTO_*` of `linux/netfilter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4 and IPv6 packets.
    Inet = 1,
    /// IPv4 packets.
    Ip = 2,
    /// ARP messages.
    Arp = 3,
    /// Ethernet frames that pass a bridge of this host.
    Bridge = 7,
    /// IPv6 packets.
    Ip6 = 10,
}

impl Family {
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Inet, Self::Ip, Self::Arp, Self::Bridge, Self::Ip6]
            .into_iter()
            .find(|family| family.number() == number)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Ip6 => "ip6",
        })
    }
}

/// A table of nf_tables, identified by family and name. This value makes no table in the kernel; a
/// [`Batch`](crate::Batch) does.
///
/// Tables made by this crate have no owner: they remain when the process ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// The table's family.
    pub family: Family,
    /// The table's name, unique in its family.
    pub name: Name,
}

impl Table {
    /// Returns the table with this family and name.
    #[must_use]
    pub fn new(family: Family, name: Name) -> Self {
        Self { family, name }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// A chain of rules in a table. The kernel passes packets to a *base chain* at a hook; packets
/// reach a *regular chain* only by a rule that jumps to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Chain {
    /// The chain's name, unique in its table.
    pub name: Name,
    /// The type, hook, priority and policy of a base chain; `None` for a regular chain.
    pub base: Option<Base>,
}

/// The settings of a base chain: a chain to which the kernel itself passes packets, at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Base {
    /// The chain's type.
    pub kind: ChainKind,
    /// The point of a packet's path at which the chain gets it.
    pub hook: Hook,
    /// The order among the chains of one hook: a chain with a lower number gets packets first
    /// (`enum nf_ip_hook_priorities` of `linux/netfilter_ipv4.h`, `enum nf_br_hook_priorities` of
    /// `linux/netfilter_bridge.h`).
    pub priority: i32,
    /// The verdict on packets about which no rule of the chain decides.
    pub policy: Policy,
}

impl Chain {
    /// Returns a regular chain: packets reach it only by a rule that jumps to it.
    #[must_use]
    pub fn regular(name: Name) -> Self {
        Self { name, base: None }
    }

    /// Returns a base chain of type filter, whose rules accept or drop packets. Chains of the same hook get a packet in
    /// the order of `priority`, the lowest first; `policy` decides about packets that no rule decides about.
    #[must_use]
    pub fn filter(name: Name, hook: Hook, priority: i32, policy: Policy) -> Self {
        Self::based(name, ChainKind::Filter, hook, priority, policy)
    }

    /// Returns a base chain of type nat, whose rules translate addresses. Chains of the same hook get a packet in the
    /// order of `priority`, the lowest first. The chain's policy is to accept.
    #[must_use]
    pub fn nat(name: Name, hook: Hook, priority: i32) -> Self {
        Self::based(name, ChainKind::Nat, hook, priority, Policy::Accept)
    }

    fn based(name: Name, kind: ChainKind, hook: Hook, priority: i32, policy: Policy) -> Self {
        let base = Base {
            kind,
            hook,
            priority,
            policy,
        };
        Self {
            name,
            base: Some(base),
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            hook,
            priority,
            policy,
        } = self;
        write!(
            f,
            "type {kind} hook {hook} priority {priority}; policy {policy};"
        )
    }
}

/// The type of a base chain: what its rules may do (`struct nft_chain_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChainKind {
    /// Type `filter`: rules accept or drop packets, and set marks.
    Filter,
    /// Type `nat`: rules translate addresses. Only the first packet of each flow passes the chain.
    Nat,
    /// Type `route`, at the hook output: a packet from this host is routed again if a rule of the chain has changed its
    /// mark.
    Route,
}

impl ChainKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }

    pub(crate) fn from_word(word: &[u8]) -> Option<Self> {
        [Self::Filter, Self::Nat, Self::Route]
            .into_iter()
            .find(|kind| kind.word().as_bytes() == word)
    }
}

impl fmt::Display for ChainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The point of a packet's path through the kernel at which a base chain gets it. Tables of the family arp have input,
/// forward and output alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// All packets that arrive, before routing.
    Prerouting,
    /// Packets to this host itself, after routing.
    Input,
    /// Packets that this host passes on to other hosts.
    Forward,
    /// Packets that this host's own programs send.
    Output,
    /// All packets that leave, after routing.
    Postrouting,
}

const HOOKS: [(Hook, &str); 5] = [
    (Hook::Prerouting, "prerouting"),
    (Hook::Input, "input"),
    (Hook::Forward, "forward"),
    (Hook::Output, "output"),
    (Hook::Postrouting, "postrouting"),
];

/// `NF_ARP_IN`, `NF_ARP_OUT`, `NF_ARP_FORWARD` of `linux/netfilter_arp.h`
const ARP_HOOKS: [(Hook, u32); 3] = [(Hook::Input, 0), (Hook::Output, 1), (Hook::Forward, 2)];

impl Hook {
    /// Returns the hook's number in a family: `enum nf_inet_hooks` of `linux/netfilter.h`,
    /// `NF_BR_*` of `linux/netfilter_bridge.h` (the same numbers), and ARP's own; `None` if the
    /// family does not have the hook.
    pub(crate) fn number(self, family: Family) -> Option<u32> {
        Self::all(family)
            .find(|(hook, _)| *hook == self)
            .map(|(_, number)| number)
    }

    pub(crate) fn from_number(family: Family, number: u32) -> Option<Self> {
        Self::all(family)
            .find(|(_, known)| *known == number)
            .map(|(hook, _)| hook)
    }

    fn all(family: Family) -> impl Iterator<Item = (Self, u32)> {
        let arp = family == Family::Arp;
        let common = HOOKS.iter().zip(0..).map(|((hook, _), n)| (*hook, n));
        common
            .filter(move |_| !arp)
            .chain(ARP_HOOKS.into_iter().filter(move |_| arp))
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = HOOKS.iter().find(|(hook, _)| hook == self);
        f.write_str(entry.map_or("", |(_, word)| word))
    }
}

/// The verdict of a base chain on packets about which no rule of it decides. Its numeric value is `NF_DROP` or
/// `NF_ACCEPT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// The packet is dropped.
    Drop = 0,
    /// The packet continues to the next base chain of the hook, or on its way if this was the last.
    Accept = 1,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "drop",
            Self::Accept => "accept",
        })
    }
}

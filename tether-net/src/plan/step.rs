//! The steps of a plan, one kernel call each.

use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu, Route};
use std::fmt;

/// One kernel call, with no choice left in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Sets a link down.
    SetDown {
        /// The link's index.
        link: u32,
    },
    /// Sets a link up.
    SetUp {
        /// The link's index.
        link: u32,
    },
    /// Gives a link, which is down, another name.
    Rename {
        /// The link's index.
        link: u32,
        /// The new name.
        name: String,
    },
    /// Gives a link, which is down, another MAC address.
    SetMac {
        /// The link's index.
        link: u32,
        /// The new address.
        mac: MacAddress,
    },
    /// Sets a link's MTU.
    SetMtu {
        /// The link's index.
        link: u32,
        /// The new MTU.
        mtu: Mtu,
    },
    /// Moves a link to the agent's group, which marks it.
    Mark {
        /// The link's index.
        link: u32,
    },
    /// Moves a link out of the agent's group.
    Unmark {
        /// The link's index.
        link: u32,
    },
    /// Sets a sysctl of a link.
    SetSysctl {
        /// The link's index.
        link: u32,
        /// The name that the link has at that point: part of the sysctl's path.
        name: String,
        /// The sysctl.
        sysctl: Sysctl,
    },
    /// Adds an address, usable at once and marked as the agent's.
    AddAddress {
        /// The link's index.
        link: u32,
        /// The address with its prefix length.
        address: IpNet,
    },
    /// Removes an address.
    RemoveAddress {
        /// The link's index.
        link: u32,
        /// The address with its prefix length.
        address: IpNet,
    },
    /// Adds a route, marked as the agent's. Among IPv4 routes to the same destination with the same
    /// metric it comes first.
    AddRoute {
        /// The link's index.
        link: u32,
        /// The route.
        route: Route,
    },
    /// Removes a route of the agent's.
    RemoveRoute {
        /// The link's index.
        link: u32,
        /// The route.
        route: Route,
    },
}

/// A sysctl that the agent sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sysctl {
    /// `net.ipv6.conf.NAME.accept_ra` = 0.
    RefuseRouterAdvertisements,
    /// `net.ipv4.conf.NAME.promote_secondaries` = 1.
    PromoteSecondaries,
}

impl Sysctl {
    /// Returns the sysctl's family, key and value.
    pub(crate) fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::RefuseRouterAdvertisements => ("ipv6", "accept_ra", "0"),
            Self::PromoteSecondaries => ("ipv4", "promote_secondaries", "1"),
        }
    }
}

/// The owner of a step: the part of the network that it is done for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// An interface of the spec.
    Interface(InterfaceName),
    /// A link, by its name, that no longer carries an interface.
    Released(String),
    /// The loopback link.
    Loopback,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => f.write_str(name.as_str()),
            Self::Released(name) => f.write_str(name),
            Self::Loopback => f.write_str("loopback"),
        }
    }
}

/// A step with its owner; its display says what is being done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The owner of the step.
    pub owner: Owner,
    /// The step.
    pub step: Step,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = &self.owner;
        match &self.step {
            Step::SetDown { .. } => write!(f, "set {owner} down"),
            Step::SetUp { .. } => write!(f, "set {owner} up"),
            Step::Rename { link, name } => write!(f, "rename link {link} to {name} for {owner}"),
            Step::SetMac { mac, .. } => write!(f, "set MAC address {mac} on {owner}"),
            Step::SetMtu { mtu, .. } => write!(f, "set MTU {mtu} on {owner}"),
            Step::Mark { .. } => write!(f, "mark {owner} as managed"),
            Step::Unmark { .. } => write!(f, "take the mark off {owner}"),
            Step::SetSysctl { name, sysctl, .. } => {
                let (family, key, value) = sysctl.parts();
                write!(f, "set net.{family}.conf.{name}.{key} to {value}")
            }
            Step::AddAddress { address, .. } => write!(f, "add address {address} to {owner}"),
            Step::RemoveAddress { address, .. } => {
                write!(f, "remove address {address} from {owner}")
            }
            Step::AddRoute { route, .. } => {
                f.write_str("add ")?;
                describe(f, route)?;
                write!(f, " on {owner}")
            }
            Step::RemoveRoute { route, .. } => {
                f.write_str("remove ")?;
                describe(f, route)?;
                write!(f, " from {owner}")
            }
        }
    }
}

/// Writes a route as a phrase: `route to 0.0.0.0/0 via 10.0.0.1 metric 100`.
pub(super) fn describe(f: &mut impl fmt::Write, route: &Route) -> fmt::Result {
    write!(f, "route to {}", route.destination)?;
    if let Some(gateway) = route.gateway {
        write!(f, " via {gateway}")?;
    }
    if route.metric != 0 {
        write!(f, " metric {}", route.metric)?;
    }
    Ok(())
}

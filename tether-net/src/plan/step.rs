//! The steps of a plan: one kernel call each.

use ipnet::IpNet;
use protocol::spec::{InterfaceName, MacAddress, Mtu, Route};
use std::fmt;

/// A change of the VM's network by one kernel call, with nothing left to decide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Sets a link down (`ip link set down`).
    SetDown {
        /// The link's index.
        link: u32,
    },
    /// Sets a link up (`ip link set up`).
    SetUp {
        /// The link's index.
        link: u32,
    },
    /// Renames a link. An earlier step has set it down.
    Rename {
        /// The link's index.
        link: u32,
        /// The new name.
        name: String,
    },
    /// Changes the MAC address of a link. An earlier step has set it down.
    SetMac {
        /// The link's index.
        link: u32,
        /// The new MAC address.
        mac: MacAddress,
    },
    /// Changes a link's MTU.
    SetMtu {
        /// The link's index.
        link: u32,
        /// The new MTU.
        mtu: Mtu,
    },
    /// Marks a link as the agent's, by its group [`MARK`](crate::MARK).
    Mark {
        /// The link's index.
        link: u32,
    },
    /// Removes the agent's mark from a link, by setting its group to 0.
    Unmark {
        /// The link's index.
        link: u32,
    },
    /// Changes a kernel setting (sysctl) of a link.
    SetSysctl {
        /// The link's index.
        link: u32,
        /// The link's name at the time of this step, which is a part of the setting's path.
        name: String,
        /// The setting; it determines the value too.
        sysctl: Sysctl,
    },
    /// Adds an IP address, marked as the agent's. An IPv6 address is usable at once: duplicate
    /// address detection is skipped.
    AddAddress {
        /// The link's index.
        link: u32,
        /// The address with its prefix length.
        address: IpNet,
    },
    /// Removes an IP address that the agent added. If the address is already gone, the step succeeds.
    RemoveAddress {
        /// The link's index.
        link: u32,
        /// The address with its prefix length.
        address: IpNet,
    },
    /// Adds a route, marked as the agent's. An IPv4 route is put before others with the same
    /// destination and metric.
    AddRoute {
        /// The link's index.
        link: u32,
        /// The route.
        route: Route,
    },
    /// Removes a route that the agent added. If the route is already gone, the step succeeds.
    RemoveRoute {
        /// The link's index.
        link: u32,
        /// The route.
        route: Route,
    },
}

/// A kernel setting (sysctl) of a link, with the value that the agent gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sysctl {
    /// `net.ipv6.conf.NAME.accept_ra` = 0: the link ignores router advertisements.
    RefuseRouterAdvertisements,
    /// `net.ipv4.conf.NAME.promote_secondaries` = 1: a subnet's other addresses stay when its first
    /// is removed.
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

/// The part of the network for which a step is done. If the step fails, the failure is reported for that part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The interface of the spec with this name; its state in the report shows the failure.
    Interface(InterfaceName),
    /// The link with this name, which the agent configured once and the spec no longer has. A failure is reported among
    /// those of no interface.
    Released(String),
    /// The loopback link. A failure is reported among those of no interface.
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

/// A step of a plan, with the part of the network that it is for. Its text form describes the
/// action, as in "add address 10.0.0.2/16 to eth0".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The part of the network that the step is for.
    pub owner: Owner,
    /// The change to make.
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

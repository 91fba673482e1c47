//! Plans the steps from the observed to the desired links. Pure: the same input gives the same plan.

use super::{
    Bridge, Desired, Owner, Port, PortKind,
    observed::{Address, Forwarding, Link, LinkIpv6, LinkKind, Namespace, Observed},
    rate::{LinkTaken, plan_limit},
    step::{Change, Family, Ipv6Setting, Step},
};
use ipnet::IpNet;
use nix::errno::Errno;
use protocol::spec::{InterfaceName, Mtu};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

/// Why a link can't be made as desired. Nothing of it is changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A link that this VCH did not make has the name of the desired link.
    NameTaken(Holder),
    /// The port's bridge, of this name, neither exists nor is desired.
    NoBridge(InterfaceName),
    /// The port's bridge, of this name, is a link that this VCH did not make.
    BridgeTaken(InterfaceName, Holder),
    /// The configuration names this link as a bridge, and it is not a bridge.
    NotABridge(InterfaceName, Holder),
    /// The network namespace of the port, with this path, can't be opened.
    NoNamespace(PathBuf, Errno),
    /// The port's limit needs a link of this name, and a link that this VCH did not make has it.
    LimitTaken(InterfaceName, Holder),
}

/// A link that this VCH did not make, and that is in the way of one that it needs: the properties that errors show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The kernel's word for the link's kind, such as `bridge` or `veth`; empty for a physical link.
    pub kind: String,
    /// The link's index in its network namespace, as `ip link` shows it.
    pub index: u32,
    /// The link's group (`IFLA_GROUP`).
    pub group: u32,
}

impl From<&Link> for Holder {
    fn from(link: &Link) -> Self {
        let kind = match &link.kind {
            LinkKind::Bridge { .. } => "bridge",
            LinkKind::Tap { .. } => "tap",
            LinkKind::Veth { .. } => "veth",
            LinkKind::Other(kind) => kind,
        };
        Self {
            kind: kind.to_owned(),
            index: link.index,
            group: link.group,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind.is_empty() {
            "physical"
        } else {
            &self.kind
        };
        write!(
            f,
            "a {kind} link (index {}, group {:#x})",
            self.index, self.group
        )
    }
}

/// The steps to take, and the links that can't be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps in their order: first removals, then bridges, then the ports on them.
    pub steps: Vec<Step>,
    /// Why some desired links can't be made, by the name of the link.
    pub refused: BTreeMap<InterfaceName, Refusal>,
}

impl Plan {
    fn add(&mut self, name: &InterfaceName, part: Result<Vec<Step>, Refusal>) {
        match part {
            Ok(steps) => self.steps.extend(steps),
            Err(refusal) => {
                self.refused.insert(name.clone(), refusal);
            }
        }
    }
}

/// Plans the whole difference between the observed and the desired links: removes links with the VCH's mark that are
/// not desired, makes or changes the others, and leaves alone those that are right. `observed` must be the whole state
/// of the namespace.
pub fn plan(owner: Owner, observed: &Observed, desired: &Desired) -> Plan {
    let mut plan = Plan::default();
    let limits = desired
        .ports
        .values()
        .filter_map(|port| port.limit.as_ref());
    let ifbs: BTreeSet<&InterfaceName> = limits.map(|limit| &limit.ifb).collect();
    let leftovers = observed.links.iter().filter(|(name, link)| {
        let wanted = desired.bridges.contains_key(name)
            || desired.ports.contains_key(name)
            || ifbs.contains(name);
        owner.owns(link.group) && !wanted
    });
    plan.steps.extend(remove_all(leftovers));
    plan.steps.extend(plan_forwarding(
        observed.forwarding,
        desired.bridges.values(),
    ));
    for (name, bridge) in &desired.bridges {
        plan.add(name, plan_bridge(owner, observed, bridge));
    }
    for (name, port) in &desired.ports {
        let planned =
            desired.bridges.contains_key(&port.bridge) && !plan.refused.contains_key(&port.bridge);
        plan.add(name, plan_port(owner, observed, port, planned));
    }
    plan
}

/// Plans to enable IP forwarding, if it is off, for the families of these bridges' addresses.
pub fn plan_forwarding<'a>(
    now: Forwarding,
    bridges: impl IntoIterator<Item = &'a Bridge>,
) -> Vec<Step> {
    let mut v4 = false;
    let mut v6 = false;
    for address in bridges.into_iter().flat_map(|bridge| &bridge.addresses) {
        v4 |= matches!(address, IpNet::V4(_));
        v6 |= matches!(address, IpNet::V6(_));
    }
    let mut steps = Vec::new();
    if v4 && !now.v4 {
        steps.push(Step::Forward(Family::V4));
    }
    if v6 && now.v6 == Some(false) {
        steps.push(Step::Forward(Family::V6));
    }
    steps
}

/// Plans one bridge. `observed` must contain the link with the bridge's name, if it exists, and the link's addresses.
///
/// # Errors
/// Returns [`Refusal::NameTaken`] if a link that this VCH did not make has the name.
pub fn plan_bridge(
    owner: Owner,
    observed: &Observed,
    bridge: &Bridge,
) -> Result<Vec<Step>, Refusal> {
    let name = &bridge.name;
    let mac = owner.bridge_mac(name);
    let mut steps = Vec::new();
    let mut link = ours(owner, observed, name)?;
    if let Some(other) = link.filter(|link| !is_bridge_of(owner, link)) {
        steps.push(remove(name, other));
        link = None;
    }
    if let Some(link) = link {
        if link.kind != (LinkKind::Bridge { plain: true }) {
            steps.push(Step::MakePlain { name: name.clone() });
        }
    } else {
        let name = name.clone();
        steps.push(Step::CreateBridge { name, mac });
    }
    let wants_v6 = bridge.addresses.iter().any(|a| matches!(a, IpNet::V6(_)));
    let ipv6 = match link {
        Some(link) => link.ipv6,
        // What the kernel gives a new link depends on the defaults: set all.
        None => Some(LinkIpv6 {
            disabled: true,
            accept_dad: 1,
            accept_ra: 1,
            autoconf: 1,
            no_link_local: false,
        }),
    };
    steps.extend(plan_ipv6(name, ipv6, wants_v6));
    let wants_v4 = bridge.addresses.iter().any(|a| matches!(a, IpNet::V4(_)));
    if wants_v4 && link.is_none_or(|link| !link.route_localnet) {
        steps.push(Step::RouteLocalnet { name: name.clone() });
    }
    let change = Change {
        mac: link.filter(|l| l.mac != mac.octets()).map(|_| mac),
        mtu: bridge.mtu.filter(|mtu| has_other_mtu(link, *mtu)),
        bridge: None,
        up: link.is_none_or(|link| !link.up),
    };
    steps.extend(set(name, change));
    let addresses = link.and_then(|link| observed.addresses.get(&link.index));
    let addresses = addresses.map_or(&[][..], Vec::as_slice);
    steps.extend(plan_addresses(name, addresses, &bridge.addresses));
    Ok(steps)
}

/// Plans to add further addresses to a bridge, which keeps the addresses that it has. `observed` must contain the link
/// of its name, if it exists; the link's addresses are not needed.
///
/// # Errors
/// Returns [`Refusal::NameTaken`] if a link that this VCH did not make has the name.
pub fn plan_further(
    owner: Owner,
    observed: &Observed,
    name: &InterfaceName,
    further: Vec<IpNet>,
) -> Result<Vec<Step>, Refusal> {
    let bridge = Bridge {
        name: name.clone(),
        addresses: further,
        mtu: None,
    };
    let mut steps = plan_forwarding(observed.forwarding, [&bridge]);
    steps.extend(plan_bridge(owner, observed, &bridge)?);
    Ok(steps)
}

/// Plans one port. `observed` must contain the links of its name and of its bridge's name; for a veth pair also its
/// namespace; for a port that is or was limited also what limits it. `bridge_planned` tells that other steps make the
/// bridge first.
///
/// # Errors
/// Returns the [`Refusal`]: a name is in use by another link, the bridge is missing or can't be used, or the namespace
/// can't be opened.
pub fn plan_port(
    owner: Owner,
    observed: &Observed,
    port: &Port,
    bridge_planned: bool,
) -> Result<Vec<Step>, Refusal> {
    let name = &port.name;
    let mut link = ours(owner, observed, name)?;
    let bridge = observed.links.get(&port.bridge);
    if !bridge_planned {
        match bridge {
            None => return Err(Refusal::NoBridge(port.bridge.clone())),
            Some(bridge) if port.foreign => {
                if !matches!(bridge.kind, LinkKind::Bridge { .. }) {
                    return Err(Refusal::NotABridge(port.bridge.clone(), bridge.into()));
                }
            }
            Some(bridge) if !is_bridge_of(owner, bridge) => {
                return Err(Refusal::BridgeTaken(port.bridge.clone(), bridge.into()));
            }
            Some(_) => {}
        }
    }
    if let PortKind::Veth { netns, .. } = &port.kind {
        let namespace = observed.namespaces.get(netns).copied();
        if let Namespace::Closed(errno) = namespace.unwrap_or(Namespace::Closed(Errno::ENOENT)) {
            return Err(Refusal::NoNamespace(netns.clone(), errno));
        }
    }
    let mut steps = Vec::new();
    let is_right =
        |link: &&Link| link.group == owner.group() && is_kind(observed, &link.kind, &port.kind);
    if let Some(other) = link.filter(|link| !is_right(link)) {
        steps.push(remove(name, other));
        link = None;
    }
    match link.map(|link| &link.kind) {
        None => steps.push(create_port(port)),
        // One that an older release made, or that was opened to others: it is mended where it is, since
        // a VM may be started on it. While one is attached no other can be.
        Some(LinkKind::Tap {
            closed: false,
            attached: false,
            ..
        }) => steps.push(Step::CloseTap { name: name.clone() }),
        Some(_) => {}
    }
    let no_link_local = match link {
        Some(link) => link.ipv6.is_none_or(|ipv6| ipv6.no_link_local),
        None => port.kind == PortKind::Tap,
    };
    if !no_link_local {
        steps.push(Step::Silence { name: name.clone() });
    }
    let bridge = bridge.filter(|bridge| port.foreign || is_bridge_of(owner, bridge));
    let attached = link.is_some_and(|l| l.master.is_some() && l.master == bridge.map(|b| b.index));
    let mac = port.foreign.then(|| owner.port_mac(name));
    let change = Change {
        mac: mac.filter(|mac| link.is_none_or(|link| link.mac != mac.octets())),
        mtu: port.mtu.filter(|mtu| has_other_mtu(link, *mtu)),
        bridge: (!attached).then(|| port.bridge.clone()),
        up: link.is_none_or(|link| !link.up),
    };
    steps.extend(set(name, change));
    let limited = plan_limit(owner, observed, port, link);
    let taken = |LinkTaken(name, link)| Refusal::LimitTaken(name, (&link).into());
    steps.extend(limited.map_err(taken)?);
    Ok(steps)
}

/// Plans the removal of all observed links that bear the VCH's mark.
pub fn plan_removal(owner: Owner, observed: &Observed) -> Vec<Step> {
    let links = observed.links.iter();
    remove_all(links.filter(|(_, link)| owner.owns(link.group)))
}

/// Returns the steps that remove links. Removing one costs the kernel about 20 ms, mostly waiting,
/// so that many are removed at once.
fn remove_all<'a>(links: impl Iterator<Item = (&'a InterfaceName, &'a Link)>) -> Vec<Step> {
    let links: Vec<_> = links.collect();
    if let [(name, link)] = links[..] {
        return vec![remove(name, link)];
    }
    let mark_pending_deletion = links.iter().map(|(name, link)| Step::MarkPendingDeletion {
        name: (*name).clone(),
        index: link.index,
    });
    let removal = (!links.is_empty()).then_some(Step::RemovePendingDeletion);
    mark_pending_deletion.chain(removal).collect()
}

fn ours<'a>(
    owner: Owner,
    observed: &'a Observed,
    name: &InterfaceName,
) -> Result<Option<&'a Link>, Refusal> {
    match observed.links.get(name) {
        Some(link) if !owner.owns(link.group) => Err(Refusal::NameTaken(link.into())),
        link => Ok(link),
    }
}

fn is_bridge_of(owner: Owner, link: &Link) -> bool {
    link.group == owner.group() && matches!(link.kind, LinkKind::Bridge { .. })
}

fn is_kind(observed: &Observed, link: &LinkKind, port: &PortKind) -> bool {
    match (link, port) {
        (LinkKind::Tap { persistent, .. }, PortKind::Tap) => *persistent,
        // What lives in the namespace may rename its end and change its address: that it is there
        // is all that counts.
        (LinkKind::Veth { peer }, PortKind::Veth { netns, .. }) => {
            match observed.namespaces.get(netns) {
                Some(Namespace::Known(id)) => *peer == Some(*id),
                Some(Namespace::Own) => peer.is_none(),
                _ => false,
            }
        }
        _ => false,
    }
}

fn create_port(port: &Port) -> Step {
    let name = port.name.clone();
    match &port.kind {
        PortKind::Tap => Step::CreateTap { name },
        PortKind::Veth { netns, peer, mac } => Step::CreateVeth {
            name,
            netns: netns.clone(),
            peer: peer.clone(),
            mac: *mac,
        },
    }
}

fn has_other_mtu(link: Option<&Link>, mtu: Mtu) -> bool {
    link.is_none_or(|link| link.mtu != u32::from(mtu))
}

fn remove(name: &InterfaceName, link: &Link) -> Step {
    Step::Remove {
        name: name.clone(),
        index: link.index,
    }
}

fn set(name: &InterfaceName, change: Change) -> Option<Step> {
    (change != Change::default()).then(|| Step::Set {
        name: name.clone(),
        change,
    })
}

fn plan_ipv6(name: &InterfaceName, now: Option<LinkIpv6>, wanted: bool) -> Vec<Step> {
    let Some(now) = now else {
        return Vec::new();
    };
    let settings = [
        (wanted && now.disabled, Ipv6Setting::Enable),
        (now.accept_dad != 0, Ipv6Setting::NoDad),
        (now.accept_ra != 0, Ipv6Setting::NoRouterAdvertisements),
        (now.autoconf != 0, Ipv6Setting::NoAutoconf),
    ];
    let needed = settings.into_iter().filter(|(needed, _)| *needed);
    let name = name.clone();
    needed
        .map(|(_, setting)| Step::SetIpv6 {
            name: name.clone(),
            setting,
        })
        .collect()
}

fn plan_addresses(name: &InterfaceName, now: &[Address], wanted: &[IpNet]) -> Vec<Step> {
    let goes = |address: &&Address| !wanted.contains(&address.net);
    // With the first address of an IPv4 subnet the kernel removes all others of it, unless
    // net.ipv4.conf.*.promote_secondaries is set: those that stay are given again.
    let swept: BTreeSet<IpNet> = now
        .iter()
        .filter(goes)
        .filter(|gone| !gone.secondary && matches!(gone.net, IpNet::V4(_)))
        .map(|gone| gone.net.trunc())
        .collect();
    let present = |address: &IpNet| {
        now.iter().any(|a| a.net == *address) && !swept.contains(&address.trunc())
    };
    let removed = now.iter().filter(goes).map(|gone| Step::RemoveAddress {
        name: name.clone(),
        address: gone.net,
    });
    let added = wanted.iter().filter(|address| !present(address));
    let added = added.map(|address| Step::AddAddress {
        name: name.clone(),
        address: *address,
    });
    removed.chain(added).collect()
}

#[cfg(test)]
mod tests;

//! Assigns NICs to interfaces.

use crate::observe::{Link, LinkKind};
use protocol::spec::{Interface, MacAddress, NicMatch};
use std::collections::{BTreeMap, BTreeSet};

/// Returns the index of each interface's link; at most one link for an interface, and one interface
/// for a link.
///
/// What leaves no doubt comes first: the position on the bus; then a NIC that is already what the
/// interface wants; then the address of the hardware, and last the address at present, which may be
/// one that another spec gave. Without the second, a NIC whose hardware has no address of its own
/// could not be found again once its MAC was changed.
pub(super) fn assign(links: &BTreeMap<u32, Link>, interfaces: &[Interface]) -> Vec<Option<u32>> {
    let rules: [fn(&Interface, &Link) -> bool; 4] =
        [by_pci, as_left, by_hardware, by_present_address];
    let mut assigned = vec![None; interfaces.len()];
    let mut taken = BTreeSet::new();
    for rule in rules {
        for (interface, slot) in interfaces.iter().zip(&mut assigned) {
            if slot.is_some() {
                continue;
            }
            let fits = |(index, link): &(&u32, &Link)| {
                link.kind == LinkKind::Ethernet && !taken.contains(*index) && rule(interface, link)
            };
            let found = links.iter().filter(fits).min_by_key(|(index, link)| {
                // Of several functions in one slot the first.
                (link.pci.as_ref().map(|pci| &pci.path), **index)
            });
            if let Some((index, _)) = found {
                taken.insert(*index);
                *slot = Some(*index);
            }
        }
    }
    assigned
}

fn by_pci(interface: &Interface, link: &Link) -> bool {
    match (&interface.nic, &link.pci) {
        (NicMatch::PciPath(path), Some(location)) => location.path == *path,
        (NicMatch::PciSlot(slot), Some(location)) => location.slot == Some(*slot),
        _ => false,
    }
}

fn as_left(interface: &Interface, link: &Link) -> bool {
    let wanted = interface.name.as_str() == link.name && Some(interface.mac) == link.mac;
    matched_mac(interface).is_some() && link.marked && wanted
}

fn by_hardware(interface: &Interface, link: &Link) -> bool {
    matched_mac(interface).is_some_and(|mac| link.permanent_mac == Some(mac))
}

fn by_present_address(interface: &Interface, link: &Link) -> bool {
    matched_mac(interface).is_some_and(|mac| link.mac == Some(mac))
}

fn matched_mac(interface: &Interface) -> Option<MacAddress> {
    match interface.nic {
        NicMatch::Mac(mac) => Some(mac),
        NicMatch::PciPath(_) | NicMatch::PciSlot(_) => None,
    }
}

//! Plans names, MAC addresses, MTUs, marks and states of links.

use super::{Draft, Owner, Step};
use protocol::spec::Interface;
use std::collections::BTreeMap;

/// Adds the steps that make the links of the present interfaces as they must be.
pub(super) fn settle(
    draft: &mut Draft,
    interfaces: &[Interface],
    present: &BTreeMap<usize, u32>,
    released: &[u32],
) {
    rename(draft, interfaces, present, released);
    for (position, index) in present {
        let interface = &interfaces[*position];
        let owner = Owner::Interface(interface.name.clone());
        let link = *index;
        if draft
            .link(link)
            .is_some_and(|l| l.mac != Some(interface.mac))
        {
            take_down(draft, &owner, link);
            let mac = interface.mac;
            draft.push(&owner, Step::SetMac { link, mac });
        }
        let Some(now) = draft.link(link).cloned() else {
            continue;
        };
        if let Some(mtu) = interface.mtu.filter(|mtu| u32::from(*mtu) != now.mtu) {
            draft.push(&owner, Step::SetMtu { link, mtu });
        }
        if !now.marked {
            draft.push(&owner, Step::Mark { link });
        }
        if !now.up {
            draft.push(&owner, Step::SetUp { link });
        }
    }
}

struct Rename {
    position: usize,
    link: u32,
    owner: Owner,
    to: String,
}

/// Orders the renames so that each name is free when its turn comes; where names go round in a
/// circle, or a released link holds one, a name for the meantime makes room.
fn rename(
    draft: &mut Draft,
    interfaces: &[Interface],
    present: &BTreeMap<usize, u32>,
    released: &[u32],
) {
    let mut pending: Vec<Rename> = present
        .iter()
        .filter(|(position, link)| {
            let name = interfaces[**position].name.as_str();
            draft.link(**link).is_some_and(|l| l.name != name)
        })
        .map(|(position, link)| Rename {
            position: *position,
            link: *link,
            owner: Owner::Interface(interfaces[*position].name.clone()),
            to: interfaces[*position].name.as_str().to_owned(),
        })
        .collect();
    while !pending.is_empty() {
        let before = pending.len();
        let turn = std::mem::take(&mut pending);
        let waits: Vec<u32> = turn.iter().map(|r| r.link).collect();
        for rename in turn {
            match holder(draft, &rename.to) {
                None => give_name(draft, &rename.owner, rename.link, &rename.to),
                Some(link) if released.contains(&link) => {
                    let owner = Owner::Released(rename.to.clone());
                    give_name(draft, &owner, link, &meantime(link));
                    give_name(draft, &rename.owner, rename.link, &rename.to);
                }
                Some(link) if waits.contains(&link) => pending.push(rename),
                Some(_) => {
                    let (link, to) = (rename.link, &rename.to);
                    let action = format!("rename link {link} to {to}: another link has that name");
                    draft.conflict(rename.position, action);
                }
            }
        }
        if pending.len() == before
            && let Some(first) = pending.first()
        {
            give_name(draft, &first.owner, first.link, &meantime(first.link));
        }
    }
}

fn holder(draft: &Draft, name: &str) -> Option<u32> {
    let mut links = draft.observed.links.iter();
    links
        .find(|(_, link)| link.name == name)
        .map(|(index, _)| *index)
}

/// Returns a temporary name of a link: at most 13 of the 15 bytes that a name may have.
fn meantime(link: u32) -> String {
    format!("tn-{link}")
}

fn give_name(draft: &mut Draft, owner: &Owner, link: u32, name: &str) {
    take_down(draft, owner, link);
    let name = name.to_owned();
    draft.push(owner, Step::Rename { link, name });
}

fn take_down(draft: &mut Draft, owner: &Owner, link: u32) {
    if draft.link(link).is_some_and(|l| l.up) {
        draft.push(owner, Step::SetDown { link });
    }
}

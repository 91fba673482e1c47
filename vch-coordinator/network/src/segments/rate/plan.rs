//! Plans the steps that limit a port, or that remove its limit. Pure.

use super::{
    bucket::TokenBucket,
    shaping::{Egress, Ingress, Shaping},
};
use crate::segments::{
    Owner, Port,
    observed::{Link, LinkKind, Observed},
    step::{Change, Step},
};
use protocol::spec::InterfaceName;
use vch_ledger::desired::Limit;

/// The kernel's word for an intermediate functional block.
const IFB: &str = "ifb";
/// What Linux gives a link for which nothing else is asked.
const DEFAULT_MTU: u32 = 1500;

/// A link that the VCH did not make has the name that a port's limit needs for its own link: the name, and the link as
/// it is in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTaken(pub InterfaceName, pub Link);

/// Plans the steps that limit one port, or that remove its limit. `link` is the port's link, or `None` if other steps
/// make it first. `observed` must contain the link of the limit (an intermediate functional block) and what limits both
/// links. That link itself, if it is no longer needed, is not removed here.
///
/// # Errors
/// Returns [`LinkTaken`] if a link that the VCH did not make has the name of the limit's link.
pub fn plan_limit(
    owner: Owner,
    observed: &Observed,
    port: &Port,
    link: Option<&Link>,
) -> Result<Vec<Step>, LinkTaken> {
    let untouched = Shaping::default();
    let of = |link: Option<&Link>| {
        let shaping = link.and_then(|link| observed.shaping.get(&link.index));
        shaping.unwrap_or(&untouched)
    };
    let Some(limit) = &port.limit else {
        return Ok(unlimited(&port.name, of(link)));
    };
    let mtu = port.mtu.map(u32::from).or(link.map(|link| link.mtu));
    let bucket = TokenBucket::of(limit.rate, mtu.unwrap_or(DEFAULT_MTU));
    let mut steps = Vec::new();
    let ifb = plan_ifb(owner, observed, limit, &mut steps)?;
    steps.extend(plan_bucket(&limit.ifb, &of(ifb).egress, bucket));
    steps.extend(plan_bucket(&port.name, &of(link).egress, bucket));
    let ingress = of(link).ingress;
    if ifb.is_none_or(|ifb| ingress != Ingress::Redirected(ifb.index)) {
        let name = port.name.clone();
        if ingress != Ingress::Unchanged {
            steps.push(Step::RemoveIngress { name: name.clone() });
        }
        steps.push(Step::AddIngress { name: name.clone() });
        // The last one, so that nothing is led to a link that is not ready.
        steps.push(Step::Redirect {
            name,
            ifb: limit.ifb.clone(),
        });
    }
    Ok(steps)
}

fn unlimited(name: &InterfaceName, now: &Shaping) -> Vec<Step> {
    let name = name.clone();
    let mut steps = Vec::new();
    if matches!(now.ingress, Ingress::Redirected(_)) {
        steps.push(Step::RemoveIngress { name: name.clone() });
    }
    if matches!(now.egress, Egress::Ours(_)) {
        steps.push(Step::RemoveBucket { name });
    }
    steps
}

/// The limit's own link, if it can stay as it is.
fn plan_ifb<'a>(
    owner: Owner,
    observed: &'a Observed,
    limit: &Limit,
    steps: &mut Vec<Step>,
) -> Result<Option<&'a Link>, LinkTaken> {
    let name = &limit.ifb;
    let mut link = observed.links.get(name);
    if let Some(other) = link.filter(|link| !owner.owns(link.group)) {
        return Err(LinkTaken(name.clone(), other.clone()));
    }
    let is_right =
        |link: &&Link| link.group == owner.group() && link.kind == LinkKind::Other(IFB.to_owned());
    if let Some(other) = link.filter(|link| !is_right(link)) {
        steps.push(Step::Remove {
            name: name.clone(),
            index: other.index,
        });
        link = None;
    }
    if link.is_none() {
        steps.push(Step::CreateIfb { name: name.clone() });
    }
    if link.is_none_or(|link| link.ipv6.is_some_and(|ipv6| !ipv6.no_link_local)) {
        steps.push(Step::Silence { name: name.clone() });
    }
    if link.is_none_or(|link| !link.up) {
        steps.push(Step::Set {
            name: name.clone(),
            change: Change {
                up: true,
                ..Change::default()
            },
        });
    }
    Ok(link)
}

fn plan_bucket(name: &InterfaceName, now: &Egress, wanted: TokenBucket) -> Vec<Step> {
    if *now == Egress::Ours(Some(wanted)) {
        return Vec::new();
    }
    let name = name.clone();
    // The kernel makes no other kind of it.
    let odd = *now == Egress::Ours(None);
    let removed = odd.then(|| Step::RemoveBucket { name: name.clone() });
    let set = Step::SetBucket {
        name,
        bucket: wanted,
    };
    removed.into_iter().chain([set]).collect()
}

#[cfg(test)]
mod tests;

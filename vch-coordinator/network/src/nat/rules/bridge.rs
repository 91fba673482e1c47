//! The rules of the bridge family. They use no connection tracking, since nothing here needs it.

use super::super::sets::{NftSet, VERSIONS};
use super::{anti_spoof, arriving, chain, container, destination};
use vch_nftables::{Chain, Field, Hook, NameError, Policy, Rule, name};

/// `NF_BR_PRI_NAT_DST_BRIDGED` of linux/netfilter_bridge.h: before br_netfilter hands the frame to
/// IP's rules.
const FIRST: i32 = -300;
/// `NF_BR_PRI_FILTER_BRIDGED` of linux/netfilter_bridge.h.
const FILTER: i32 = -200;

/// Returns the chains of the table `bridge vch`, with their rules.
///
/// # Errors
/// Returns [`NameError`] if a name is too long for nf_tables.
pub(super) fn chains() -> Result<Vec<(Chain, Vec<Rule>)>, NameError> {
    let new = Rule::new;
    let (from, to) = (Field::InputInterface, Field::OutputInterface);
    let base = |name, hook, priority| Chain::filter(name, hook, priority, Policy::Accept);
    let arriving = || {
        let restricted = new().is_in([to], NftSet::Restricted.name());
        (
            "to a container on an external network",
            restricted.goto(name!("arriving")),
        )
    };
    let mut chains = anti_spoof::chains()?;
    chains.push(arriving::arriving()?);
    chains.push(arriving::leaving()?);
    chains.push(isolated()?);
    chains.push(chain(
        base(name!("prerouting"), Hook::Prerouting, FIRST),
        vec![
            (
                "a container sends as itself",
                container(new(), from)?.jump(name!("anti_spoof")),
            ),
            (
                "from a container on an external network",
                new()
                    .is_in([from], NftSet::Restricted.name())
                    .goto(name!("leaving")),
            ),
        ],
    )?);
    chains.push(chain(
        base(name!("forward"), Hook::Forward, FILTER),
        vec![
            (
                "containers that meet by published ports alone",
                new()
                    .is_in([from], NftSet::IccOff.name())
                    .is_in([to], NftSet::IccOff.name())
                    .drop(),
            ),
            (
                "networks that share a bridge are apart",
                container(container(new(), from)?, to)?.jump(name!("isolated")),
            ),
            arriving(),
        ],
    )?);
    let around = VERSIONS.map(|version| {
        let rule = new()
            .is_in([from], NftSet::SharedPorts.name())
            .is_in([destination(version)], NftSet::Shared(version).name());
        ("no way from shared to shared by the VCH", rule.drop())
    });
    chains.push(chain(
        base(name!("input"), Hook::Input, FILTER),
        around.to_vec(),
    )?);
    chains.push(chain(
        base(name!("output"), Hook::Output, FILTER),
        vec![arriving()],
    )?);
    Ok(chains)
}

/// Lets pass what goes from a container to another of its network. The mark is the frame's only
/// here: IP's rules and routes never see it.
fn isolated() -> Result<(Chain, Vec<Rule>), NameError> {
    let new = Rule::new;
    let member = [Field::OutputInterface, Field::Mark];
    chain(
        Chain::regular(name!("isolated")),
        vec![
            (
                "the sender's network",
                new().set_mark_map([Field::InputInterface], NftSet::Segments.name()),
            ),
            (
                "it is the receiver's",
                new()
                    .is_in(member, NftSet::Members.name())
                    .set_mark(u32::MAX, 0)
                    .returns(),
            ),
            ("or it is another", new().drop()),
        ],
    )
}

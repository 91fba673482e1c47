//! Carries steps out in the kernel: one arm a step, no policy.

use super::{
    SegmentError,
    kernel::{Kernel, descriptor, open_namespace, refused},
    step::{Change, Step},
    sysctl::Sysctl,
    tap::Tap,
};
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage},
    link::{
        AfSpecInet6, AfSpecUnspec, BridgeStpState, In6AddrGenMode, InfoBridge, InfoData, InfoKind,
        InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    },
};
use nix::{errno::Errno, net::if_::if_nametoindex};
use protocol::spec::{InterfaceName, MacAddress};
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use std::{io, net::IpAddr, path::Path};

const CREATE: u16 = NLM_F_CREATE | NLM_F_EXCL;

impl Kernel {
    /// Carries one step out.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] with the step's operation and object if the kernel refuses;
    /// other variants if the errno says that a name, namespace or port is the reason.
    pub(super) async fn apply(&mut self, step: &Step) -> Result<(), SegmentError> {
        match step {
            Step::Forward(family) => write(&Sysctl::forward(*family)),
            Step::Remove { name, index } => self.remove(name, *index).await,
            Step::MarkPendingDeletion { name, index } => {
                self.mark_pending_deletion(name, *index).await
            }
            Step::RemovePendingDeletion => self.remove_pending_deletion().await,
            Step::CreateBridge { name, mac } => self.create_bridge(name, *mac).await,
            Step::MakePlain { name } => self
                .change_link(link(name, [bridge_info()]))
                .await
                .map_err(|errno| refused("set the options of bridge", name, errno)),
            Step::CreateTap { name } => self.create_tap(name).await,
            Step::CloseTap { name } => close_tap(name),
            Step::CreateVeth {
                name,
                netns,
                peer,
                mac,
            } => self.create_veth(name, netns, (peer, *mac)).await,
            Step::Silence { name } => self
                .change_link(link(name, [no_link_local()]))
                .await
                .map_err(|errno| refused("keep IPv6 addresses off port", name, errno)),
            Step::SetIpv6 { name, setting } => write(&Sysctl::ipv6(name, *setting)),
            Step::RouteLocalnet { name } => write(&Sysctl::route_localnet(name)),
            Step::Set { name, change } => self.set(name, change).await,
            Step::RemoveAddress { name, address } => self.remove_address(name, *address).await,
            Step::AddAddress { name, address } => self.add_address(name, *address).await,
            Step::CreateIfb { name } => self.create_ifb(name).await,
            Step::SetBucket { name, bucket } => self.set_bucket(name, bucket).await,
            Step::RemoveBucket { name } => self.remove_bucket(name).await,
            Step::AddIngress { name } => self.add_ingress(name).await,
            Step::RemoveIngress { name } => self.remove_ingress(name).await,
            Step::Redirect { name, ifb } => self.redirect(name, ifb).await,
        }
    }

    async fn change_link(&mut self, message: LinkMessage) -> Result<(), Errno> {
        self.perform(RouteNetlinkMessage::NewLink(message), 0).await
    }

    async fn remove(&mut self, name: &InterfaceName, index: u32) -> Result<(), SegmentError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        match self.perform(RouteNetlinkMessage::DelLink(message), 0).await {
            // Another process was faster.
            Err(Errno::ENODEV) => Ok(()),
            done => done.map_err(|errno| refused("remove link", name, errno)),
        }
    }

    async fn mark_pending_deletion(
        &mut self,
        name: &InterfaceName,
        index: u32,
    ) -> Result<(), SegmentError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        let group = LinkAttribute::Group(self.owner.pending_deletion());
        message.attributes.push(group);
        match self.change_link(message).await {
            // Another process was faster.
            Err(Errno::ENODEV) => Ok(()),
            done => done.map_err(|errno| refused("mark for removal link", name, errno)),
        }
    }

    async fn remove_pending_deletion(&mut self) -> Result<(), SegmentError> {
        let mut message = LinkMessage::default();
        let group = LinkAttribute::Group(self.owner.pending_deletion());
        message.attributes.push(group);
        match self.perform(RouteNetlinkMessage::DelLink(message), 0).await {
            // Another process was faster.
            Err(Errno::ENODEV) => Ok(()),
            done => done.map_err(|errno| refused("remove", "the links marked for it", errno)),
        }
    }

    async fn create_bridge(
        &mut self,
        name: &InterfaceName,
        mac: MacAddress,
    ) -> Result<(), SegmentError> {
        let mac = LinkAttribute::Address(mac.octets().to_vec());
        let message = link(name, [mac, self.mark(), bridge_info()]);
        self.perform(RouteNetlinkMessage::NewLink(message), CREATE)
            .await
            .map_err(|errno| refused("create bridge", name, errno))
    }

    async fn create_tap(&mut self, name: &InterfaceName) -> Result<(), SegmentError> {
        let refused = |errno| refused("create tap", name, errno);
        let tap = Tap::create(name).map_err(refused)?;
        // Before it is persistent, so that no crash leaves one that nobody owns.
        self.change_link(link(name, [self.mark(), no_link_local()]))
            .await
            .map_err(refused)?;
        tap.persist().map_err(refused)
    }

    async fn create_veth(
        &mut self,
        name: &InterfaceName,
        netns: &Path,
        (peer, mac): (&InterfaceName, MacAddress),
    ) -> Result<(), SegmentError> {
        let namespace = open_namespace(netns).map_err(|source| SegmentError::NoNamespace {
            port: name.clone(),
            path: netns.to_owned(),
            source,
        })?;
        let other = link(
            peer,
            [
                LinkAttribute::NetNsFd(descriptor(&namespace)),
                LinkAttribute::Address(mac.octets().to_vec()),
            ],
        );
        let info = vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ];
        let message = link(name, [self.mark(), LinkAttribute::LinkInfo(info)]);
        let created = self
            .perform(RouteNetlinkMessage::NewLink(message), CREATE)
            .await;
        created.map_err(|errno| match errno {
            // Our end's name was free when the plan was made.
            Errno::EEXIST => SegmentError::PeerTaken {
                port: name.clone(),
                path: netns.to_owned(),
                peer: peer.clone(),
            },
            errno => refused("create the pair of port", name, errno),
        })
    }

    async fn set(&mut self, name: &InterfaceName, change: &Change) -> Result<(), SegmentError> {
        let mut message = link(name, []);
        if let Some(mac) = change.mac {
            let mac = LinkAttribute::Address(mac.octets().to_vec());
            message.attributes.push(mac);
        }
        if let Some(mtu) = change.mtu {
            message.attributes.push(LinkAttribute::Mtu(mtu.into()));
        }
        if let Some(bridge) = &change.bridge {
            let index = if_nametoindex(bridge.as_str()).map_err(|_| SegmentError::NoBridge {
                port: name.clone(),
                bridge: bridge.clone(),
            })?;
            message.attributes.push(LinkAttribute::Controller(index));
        }
        if change.up {
            message.header.flags = LinkFlags::Up;
            message.header.change_mask = LinkFlags::Up;
        }
        let changed = self.change_link(message).await;
        changed.map_err(|errno| match (errno, &change.bridge) {
            (Errno::EXFULL, Some(bridge)) => SegmentError::BridgeFull {
                bridge: bridge.clone(),
                port: name.clone(),
            },
            (errno, _) => refused("set up link", name, errno),
        })
    }

    async fn remove_address(
        &mut self,
        name: &InterfaceName,
        address: IpNet,
    ) -> Result<(), SegmentError> {
        let refused = |errno| refused("remove address", &format!("{address} of {name}"), errno);
        let message = address_message(name, address).map_err(refused)?;
        let removed = self
            .perform(RouteNetlinkMessage::DelAddress(message), 0)
            .await;
        match removed {
            // It went with the first address of its subnet.
            Err(Errno::EADDRNOTAVAIL) => Ok(()),
            removed => removed.map_err(refused),
        }
    }

    async fn add_address(
        &mut self,
        name: &InterfaceName,
        address: IpNet,
    ) -> Result<(), SegmentError> {
        let refused = |errno| refused("add address", &format!("{address} to {name}"), errno);
        let mut message = address_message(name, address).map_err(refused)?;
        match address {
            IpNet::V4(v4) => {
                let broadcast = AddressAttribute::Broadcast(v4.broadcast());
                // RFC 3021: links of two addresses have no broadcast.
                message
                    .attributes
                    .extend((v4.prefix_len() < 31).then_some(broadcast));
            }
            IpNet::V6(_) => {
                message.header.flags = AddressHeaderFlags::Nodad;
                let flags = AddressAttribute::Flags(AddressFlags::Nodad);
                message.attributes.push(flags);
            }
        }
        let added = self
            .perform(RouteNetlinkMessage::NewAddress(message), CREATE)
            .await;
        match added {
            // It is among those that could have gone with another, and it did not.
            Err(Errno::EEXIST) => Ok(()),
            added => added.map_err(refused),
        }
    }

    pub(super) fn mark(&self) -> LinkAttribute {
        LinkAttribute::Group(self.owner.group())
    }
}

fn close_tap(name: &InterfaceName) -> Result<(), SegmentError> {
    match Tap::close_existing(name) {
        // A VM was attached to it since it was looked at: its end is an event, and it is looked at again.
        Err(Errno::EBUSY) => Ok(()),
        closed => closed.map_err(|errno| refused("close to ordinary users tap", name, errno)),
    }
}

fn write(setting: &Sysctl) -> Result<(), SegmentError> {
    match setting.write() {
        // A link without IPv6 (its MTU is below 1280, say) has none of its settings.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        written => written.map_err(|error| {
            let errno = super::kernel::errno_of(&error);
            refused("write", &setting.path.display(), errno)
        }),
    }
}

/// A message about the link of that name.
pub(super) fn link<const N: usize>(
    name: &InterfaceName,
    attributes: [LinkAttribute; N],
) -> LinkMessage {
    let mut message = LinkMessage::default();
    message
        .attributes
        .push(LinkAttribute::IfName(name.to_string()));
    message.attributes.extend(attributes);
    message
}

fn bridge_info() -> LinkAttribute {
    LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Bridge),
        LinkInfo::Data(InfoData::Bridge(vec![
            InfoBridge::StpState(BridgeStpState::Disabled),
            InfoBridge::ForwardDelay(0),
            InfoBridge::MulticastSnooping(false),
        ])),
    ])
}

fn no_link_local() -> LinkAttribute {
    LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(
        In6AddrGenMode::None,
    )])])
}

fn address_message(name: &InterfaceName, address: IpNet) -> Result<AddressMessage, Errno> {
    let mut message = AddressMessage::default();
    message.header.index = if_nametoindex(name.as_str())?;
    message.header.prefix_len = address.prefix_len();
    message.header.family = match address.addr() {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.attributes = vec![
        AddressAttribute::Local(address.addr()),
        AddressAttribute::Address(address.addr()),
    ];
    Ok(message)
}

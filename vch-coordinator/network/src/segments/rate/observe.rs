//! What the kernel has of limits.

use super::{
    message,
    shaping::{Egress, Ingress, Shaping},
};
use crate::segments::{Port, SegmentError, kernel::Kernel, kernel::refused, observed::Observed};
use netlink_packet_route::{RouteNetlinkMessage, tc::TcMessage};
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_ECHO};
use std::collections::BTreeMap;

impl Kernel {
    /// Adds what limits one port: its own link if it has one, and what limits both. `observed` has the port's link.
    pub(in crate::segments) async fn observe_limit(
        &mut self,
        port: &Port,
        observed: &mut Observed,
    ) -> Result<(), SegmentError> {
        if let Some(limit) = &port.limit {
            let ifb = self.observe_link(&limit.ifb).await?;
            for link in ifb.links.values() {
                let egress = self.observe_egress(link.index).await?;
                let shaping = Shaping {
                    egress,
                    ..Shaping::default()
                };
                observed.shaping.insert(link.index, shaping);
            }
            observed.links.extend(ifb.links);
        }
        if let Some(index) = observed.links.get(&port.name).map(|link| link.index) {
            let shaping = Shaping {
                egress: self.observe_egress(index).await?,
                ingress: self.observe_ingress(index).await?,
            };
            observed.shaping.insert(index, shaping);
        }
        Ok(())
    }

    /// Reads the limits of all links of the VCH: one list, and the filters of the links that have any.
    pub(in crate::segments) async fn observe_limits(
        &mut self,
        observed: &mut Observed,
    ) -> Result<(), SegmentError> {
        let request = RouteNetlinkMessage::GetQueueDiscipline(TcMessage::default());
        let messages = self
            .request(request, NLM_F_DUMP)
            .await
            .map_err(|errno| refused("list", "the queueing disciplines", errno))?;
        let owner = self.owner;
        let own = observed.links.values().filter(|l| owner.owns(l.group));
        let mut shaping: BTreeMap<u32, Shaping> =
            own.map(|link| (link.index, Shaping::default())).collect();
        for message in messages.iter().filter_map(discipline) {
            let index = message.header.index.cast_unsigned();
            let Some(shaping) = shaping.get_mut(&index) else {
                continue;
            };
            if message::is_egress(message) {
                shaping.egress = message::read_egress(message);
            } else if message::is_ingress(message) {
                shaping.ingress = self.observe_filters(index).await?;
            }
        }
        observed.shaping = shaping;
        Ok(())
    }

    async fn observe_egress(&mut self, index: u32) -> Result<Egress, SegmentError> {
        let found = self.observe_discipline(message::egress(index)).await?;
        Ok(found.as_ref().map(message::read_egress).unwrap_or_default())
    }

    async fn observe_ingress(&mut self, index: u32) -> Result<Ingress, SegmentError> {
        match self.observe_discipline(message::ingress(index)).await? {
            Some(_) => self.observe_filters(index).await,
            None => Ok(Ingress::Unchanged),
        }
    }

    async fn observe_discipline(
        &mut self,
        message: TcMessage,
    ) -> Result<Option<TcMessage>, SegmentError> {
        let index = message.header.index;
        let request = RouteNetlinkMessage::GetQueueDiscipline(message);
        // The kernel tells all sockets that listen, and the one that asked only by an echo.
        match self.request(request, NLM_F_ACK | NLM_F_ECHO).await {
            Ok(messages) => Ok(messages.iter().find_map(discipline).cloned()),
            // None, one that is built in, and no such link.
            Err(Errno::ENOENT | Errno::EINVAL | Errno::ENODEV) => Ok(None),
            Err(errno) => Err(refused(
                "look at the queueing discipline of link",
                &index,
                errno,
            )),
        }
    }

    async fn observe_filters(&mut self, index: u32) -> Result<Ingress, SegmentError> {
        let request = RouteNetlinkMessage::GetTrafficFilter(message::filters(index));
        let messages = self
            .request(request, NLM_F_DUMP)
            .await
            .map_err(|errno| refused("list the filters of link", &index, errno))?;
        let filters = messages.iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewTrafficFilter(message) => Some(message),
            _ => None,
        });
        Ok(message::read_filters(filters))
    }
}

fn discipline(message: &RouteNetlinkMessage) -> Option<&TcMessage> {
    match message {
        RouteNetlinkMessage::NewQueueDiscipline(message) => Some(message),
        _ => None,
    }
}

//! The steps of limits to the kernel.

use super::{bucket::TokenBucket, message};
use crate::segments::{
    SegmentError,
    apply::link,
    kernel::{Kernel, refused},
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkInfo},
};
use nix::{errno::Errno, net::if_::if_nametoindex};
use protocol::spec::InterfaceName;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};

const CREATE: u16 = NLM_F_CREATE | NLM_F_EXCL;

impl Kernel {
    pub(in crate::segments) async fn create_ifb(
        &mut self,
        name: &InterfaceName,
    ) -> Result<(), SegmentError> {
        let info = LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Ifb)]);
        let message = link(name, [self.mark(), info]);
        let made = self
            .perform(RouteNetlinkMessage::NewLink(message), CREATE)
            .await;
        made.map_err(|errno| match errno {
            Errno::EOPNOTSUPP => missing(name, "ifb"),
            errno => refused("create ifb", name, errno),
        })
    }

    pub(in crate::segments) async fn set_bucket(
        &mut self,
        name: &InterfaceName,
        bucket: &TokenBucket,
    ) -> Result<(), SegmentError> {
        let message = message::bucket(index(name)?, bucket);
        let request = RouteNetlinkMessage::NewQueueDiscipline(message);
        // Also in place of another one, and of the same with other numbers, which loses nothing that waits.
        let set = self.perform(request, NLM_F_CREATE | NLM_F_REPLACE).await;
        set.map_err(|errno| match errno {
            Errno::ENOENT => missing(name, "sch_tbf"),
            errno => refused("limit link", name, errno),
        })
    }

    pub(in crate::segments) async fn remove_bucket(
        &mut self,
        name: &InterfaceName,
    ) -> Result<(), SegmentError> {
        let mut message = message::egress(index(name)?);
        message.header.handle = message::HANDLE;
        self.remove_discipline(name, message).await
    }

    pub(in crate::segments) async fn add_ingress(
        &mut self,
        name: &InterfaceName,
    ) -> Result<(), SegmentError> {
        let message = message::ingress_discipline(index(name)?);
        let request = RouteNetlinkMessage::NewQueueDiscipline(message);
        let added = self.perform(request, CREATE).await;
        added.map_err(|errno| match errno {
            Errno::ENOENT => missing(name, "sch_ingress"),
            errno => refused("take what comes in by link", name, errno),
        })
    }

    pub(in crate::segments) async fn remove_ingress(
        &mut self,
        name: &InterfaceName,
    ) -> Result<(), SegmentError> {
        let message = message::ingress(index(name)?);
        self.remove_discipline(name, message).await
    }

    async fn remove_discipline(
        &mut self,
        name: &InterfaceName,
        message: netlink_packet_route::tc::TcMessage,
    ) -> Result<(), SegmentError> {
        let request = RouteNetlinkMessage::DelQueueDiscipline(message);
        match self.perform(request, 0).await {
            // Another program was faster.
            Err(Errno::ENOENT | Errno::EINVAL) => Ok(()),
            removed => removed.map_err(|errno| refused("take the limit from link", name, errno)),
        }
    }

    pub(in crate::segments) async fn redirect(
        &mut self,
        name: &InterfaceName,
        ifb: &InterfaceName,
    ) -> Result<(), SegmentError> {
        let message = message::redirect(index(name)?, index(ifb)?);
        let request = RouteNetlinkMessage::NewTrafficFilter(message);
        let made = self.perform(request, CREATE).await;
        made.map_err(|errno| match errno {
            Errno::ENOENT => missing(name, "cls_u32 or act_mirred"),
            errno => refused("redirect what comes in by link", name, errno),
        })
    }
}

fn index(name: &InterfaceName) -> Result<u32, SegmentError> {
    if_nametoindex(name.as_str()).map_err(|errno| refused("find link", name, errno))
}

fn missing(link: &InterfaceName, module: &'static str) -> SegmentError {
    SegmentError::NoLimits {
        link: link.clone(),
        module,
    }
}

//! Receives the kernel's events about links, addresses, routes and traffic limits.

use super::{SegmentError, kernel::errno_of, kernel::refused, observed::Link};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage, address::AddressMessage, link::LinkMessage,
    route::RouteMessage,
};
use protocol::spec::InterfaceName;
use rtnetlink::{
    MulticastGroup,
    packet_core::{NLM_F_REPLACE, NetlinkMessage, NetlinkPayload},
    sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE},
};
use std::io;

/// Room for the events of about 2,000 changes while a reconcile keeps the reader busy; past it the
/// kernel drops events and says so, and everything is looked at again.
const RECEIVE_BUFFER_BYTES: u32 = 4 << 20;
/// The kernel sends an event as one datagram, far smaller than this.
const DATAGRAM_BYTES: usize = 64 << 10;

/// An event of the kernel about links, addresses, routes or traffic limits.
#[derive(Debug)]
pub enum SegmentEvent {
    /// The link of this name was created or changed; it is now as described.
    Link(InterfaceName, Link),
    /// The link with this index was removed.
    LinkGone(u32),
    /// The bridge port settings of the link with this index changed.
    PortChanged(u32),
    /// The addresses of the link with this index changed.
    AddressChanged(u32),
    /// A traffic limit of a link was changed or read.
    LimitChanged {
        /// The index of the link.
        index: u32,
        /// The netlink port ID of the socket that changed or read the limit.
        by: u32,
    },
    /// A route was added.
    Route {
        /// The route.
        route: RouteMessage,
        /// Whether the new route replaced the others of the same destination, table and metric. The kernel reports no
        /// event for their removal.
        replaces: bool,
    },
    /// A route was removed.
    RouteGone(RouteMessage),
}

/// A netlink socket that receives the kernel's events. The kernel drops events when the socket's buffer is full.
pub struct Events {
    socket: TokioSocket,
    datagram: Vec<u8>,
}

impl Events {
    /// Opens the socket, in the network namespace of the calling thread. Every later event is received.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses the socket.
    pub fn open() -> Result<Self, SegmentError> {
        let socket = Self::subscribe()
            .map_err(|error| refused("listen for", "the kernel's events", errno_of(&error)))?;
        Ok(Self {
            socket,
            datagram: Vec::with_capacity(DATAGRAM_BYTES),
        })
    }

    fn subscribe() -> io::Result<TokioSocket> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Tc,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
            MulticastGroup::Ipv4Route,
            MulticastGroup::Ipv6Route,
        ];
        let mask = groups.iter().fold(0, |mask, g| mask | 1 << (*g as u32 - 1));
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_ref().set_rx_buf_sz(RECEIVE_BUFFER_BYTES)?;
        socket.socket_mut().bind(&SocketAddr::new(0, mask))?;
        Ok(socket)
    }

    /// Waits for the next events and returns them. Cancel-safe: a datagram is received and decoded in one poll.
    ///
    /// # Errors
    /// Returns ENOBUFS if events were lost: the caller must read everything again. Returns another error if the socket
    /// fails.
    pub async fn next(&mut self) -> io::Result<Vec<SegmentEvent>> {
        self.datagram.clear();
        self.socket.recv(&mut self.datagram).await?;
        Ok(decode(&self.datagram))
    }
}

/// Decodes the events of one datagram; leaves out those that can't be decoded or that concern no
/// segment.
fn decode(mut bytes: &[u8]) -> Vec<SegmentEvent> {
    let mut events = Vec::new();
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        // NLMSG_ALIGN of linux/netlink.h.
        let length = (message.header.length as usize).next_multiple_of(4);
        events.extend(event(message));
        match bytes.get(length..) {
            Some(rest) if length > 0 && !rest.is_empty() => bytes = rest,
            _ => break,
        }
    }
    events
}

fn event(message: NetlinkMessage<RouteNetlinkMessage>) -> Option<SegmentEvent> {
    let replaces = message.header.flags & NLM_F_REPLACE != 0;
    let by = message.header.port_number;
    let NetlinkPayload::InnerMessage(message) = message.payload else {
        return None;
    };
    match message {
        // A bridge tells of its ports by the same messages, in its own family: there a port that
        // is taken off reads like a link that goes.
        RouteNetlinkMessage::NewLink(message) | RouteNetlinkMessage::DelLink(message)
            if is_port(&message) =>
        {
            Some(SegmentEvent::PortChanged(message.header.index))
        }
        RouteNetlinkMessage::NewLink(message) => {
            Link::parse(&message).map(|(name, link)| SegmentEvent::Link(name, link))
        }
        RouteNetlinkMessage::DelLink(message) => Some(SegmentEvent::LinkGone(message.header.index)),
        RouteNetlinkMessage::NewAddress(AddressMessage { header, .. })
        | RouteNetlinkMessage::DelAddress(AddressMessage { header, .. }) => {
            Some(SegmentEvent::AddressChanged(header.index))
        }
        RouteNetlinkMessage::NewQueueDiscipline(message)
        | RouteNetlinkMessage::DelQueueDiscipline(message)
        | RouteNetlinkMessage::NewTrafficFilter(message)
        | RouteNetlinkMessage::DelTrafficFilter(message) => {
            let index = message.header.index.cast_unsigned();
            Some(SegmentEvent::LimitChanged { index, by })
        }
        RouteNetlinkMessage::NewRoute(route) => Some(SegmentEvent::Route { route, replaces }),
        RouteNetlinkMessage::DelRoute(route) => Some(SegmentEvent::RouteGone(route)),
        _ => None,
    }
}

fn is_port(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Bridge
}

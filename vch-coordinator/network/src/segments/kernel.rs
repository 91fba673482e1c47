//! The netlink connection to the kernel, and everything that is read through it.

use super::{
    Bridge, Owner, Port, PortKind, SegmentError,
    observed::{Address, Link, Namespace, Observed},
    sysctl,
};
use futures_util::StreamExt;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::AddressMessage,
    link::{LinkAttribute, LinkExtentMask, LinkMessage},
    nsid::{NsidAttribute, NsidMessage},
    route::RouteMessage,
};
use nix::{errno::Errno, libc};
use protocol::spec::InterfaceName;
use rtnetlink::{
    packet_core::{
        NLM_F_ACK, NLM_F_DUMP, NLM_F_MULTIPART, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
    },
    sys::AsyncSocket,
};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsRawFd, RawFd},
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};
use tokio::task::JoinHandle;

/// The netlink connection through which links are read and changed.
pub struct Kernel {
    pub(super) owner: Owner,
    netlink: rtnetlink::Handle,
    /// The connection's netlink port, by which the kernel says whose changes it tells of.
    port: u32,
    connection: JoinHandle<()>,
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Kernel {
    /// Opens the connection, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Returns [`SegmentError::Kernel`] if the kernel refuses the socket.
    pub fn connect(owner: Owner) -> Result<Self, SegmentError> {
        let (netlink, port, connection) =
            open().map_err(|error| refused("connect to", "rtnetlink", errno_of(&error)))?;
        Ok(Self {
            owner,
            netlink,
            port,
            connection,
        })
    }

    /// Replaces a connection that failed by a new one. Requests on the old one may have been
    /// carried out: their callers get an error, and read the kernel again.
    fn reconnect(&mut self) {
        match open() {
            Ok(opened) => {
                self.connection.abort();
                (self.netlink, self.port, self.connection) = opened;
                tracing::warn!("the netlink connection failed and was made anew");
            }
            Err(error) => tracing::warn!(%error, "the netlink connection can't be made anew yet"),
        }
    }

    /// Returns the netlink port of the connection.
    pub(super) fn port(&self) -> u32 {
        self.port
    }

    /// Sends one request, and waits until the kernel has carried it out.
    ///
    /// # Errors
    /// Returns the kernel's error.
    pub(super) async fn perform(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), Errno> {
        self.request(message, NLM_F_ACK | flags).await.map(drop)
    }

    pub(super) async fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, Errno> {
        let answered = self.exchange(message, flags).await;
        // The kernel has no such answer: it is the connection's own end.
        if answered == Err(Errno::EPIPE) {
            self.reconnect();
        }
        answered
    }

    async fn exchange(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, Errno> {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        // The connection is ours and ends with us: that it is gone means that its socket failed.
        let mut answers = self.netlink.request(message).map_err(|_| Errno::EPIPE)?;
        let mut messages = Vec::new();
        let mut complete = false;
        while let Some(answer) = answers.next().await {
            let code = match answer.payload {
                NetlinkPayload::InnerMessage(message) => {
                    messages.push(message);
                    complete |= answer.header.flags & NLM_F_MULTIPART == 0;
                    continue;
                }
                NetlinkPayload::Error(answer) => answer.raw_code(),
                NetlinkPayload::Done(done) => done.code,
                _ => continue,
            };
            if code != 0 {
                return Err(Errno::from_raw(code.saturating_neg()));
            }
            complete = true;
        }
        if complete {
            Ok(messages)
        } else {
            Err(Errno::EPIPE)
        }
    }

    /// Reads all links, and the namespaces that these ports reach into.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the kernel refuses to list links or addresses.
    pub(super) async fn observe<'a>(
        &mut self,
        ports: impl IntoIterator<Item = &'a Port>,
    ) -> Result<Observed, SegmentError> {
        let mut message = LinkMessage::default();
        message.attributes.push(without_statistics());
        let links = self
            .request(RouteNetlinkMessage::GetLink(message), NLM_F_DUMP)
            .await
            .map_err(|errno| refused("list", "the links", errno))?;
        let addresses = self.addresses(0).await?;
        let mut namespaces = BTreeMap::new();
        for port in ports {
            self.observe_namespace(port, &mut namespaces).await;
        }
        let mut observed = Observed {
            links: links.iter().filter_map(parse_link).collect(),
            addresses,
            namespaces,
            forwarding: sysctl::forwarding(),
            ..Observed::default()
        };
        self.observe_limits(&mut observed).await?;
        Ok(observed)
    }

    /// Reads the links that a plan for a bridge needs.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the kernel refuses to show a link or its addresses.
    pub(super) async fn observe_bridge(
        &mut self,
        bridge: &Bridge,
    ) -> Result<Observed, SegmentError> {
        let mut observed = self.observe_link(&bridge.name).await?;
        if let Some(link) = observed.links.get(&bridge.name) {
            observed.addresses = self.addresses(link.index).await?;
        }
        observed.forwarding = sysctl::forwarding();
        Ok(observed)
    }

    /// Reads the links that a plan for a port needs, and what limits it if it has or `had_limit`.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the kernel refuses to show a link.
    pub(super) async fn observe_port(
        &mut self,
        port: &Port,
        had_limit: bool,
    ) -> Result<Observed, SegmentError> {
        let mut observed = self.observe_link(&port.name).await?;
        let bridge = self.observe_link(&port.bridge).await?;
        observed.links.extend(bridge.links);
        self.observe_namespace(port, &mut observed.namespaces).await;
        if had_limit || port.limit.is_some() {
            self.observe_limit(port, &mut observed).await?;
        }
        Ok(observed)
    }

    /// Reads the link of that name alone, if it exists.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the kernel refuses to show the link. A link that does not exist
    /// is no error.
    pub(super) async fn observe_link(
        &mut self,
        name: &InterfaceName,
    ) -> Result<Observed, SegmentError> {
        let mut message = LinkMessage::default();
        let name_attribute = LinkAttribute::IfName(name.to_string());
        message.attributes = vec![name_attribute, without_statistics()];
        let answer = self.request(RouteNetlinkMessage::GetLink(message), 0).await;
        let messages = match answer {
            // No such link, which is an answer.
            Err(Errno::ENODEV) => Vec::new(),
            answer => answer.map_err(|errno| refused("look at link", name, errno))?,
        };
        // The kernel finds a link by its alternative names too.
        let links = messages.iter().filter_map(parse_link);
        Ok(Observed {
            links: links.map(|(_, link)| (name.clone(), link)).collect(),
            ..Observed::default()
        })
    }

    /// Returns the addresses of one link, or of all if `index` is 0.
    async fn addresses(&mut self, index: u32) -> Result<BTreeMap<u32, Vec<Address>>, SegmentError> {
        let mut message = AddressMessage::default();
        message.header.index = index;
        let messages = self
            .request(RouteNetlinkMessage::GetAddress(message), NLM_F_DUMP)
            .await
            .map_err(|errno| refused("list", "the addresses", errno))?;
        let mut addresses: BTreeMap<u32, Vec<Address>> = BTreeMap::new();
        for message in &messages {
            if let RouteNetlinkMessage::NewAddress(message) = message
                && let Some((index, address)) = Address::parse(message)
            {
                addresses.entry(index).or_default().push(address);
            }
        }
        Ok(addresses)
    }

    /// Reads the routes of all tables and both families.
    ///
    /// # Errors
    /// Returns [`SegmentError`] if the kernel refuses to list routes. A family that the kernel
    /// lacks is no error.
    pub(super) async fn routes(&mut self) -> Result<Vec<RouteMessage>, SegmentError> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let answer = self
                .request(RouteNetlinkMessage::GetRoute(message), NLM_F_DUMP)
                .await;
            let messages = match answer {
                // The kernel lacks this family, so it has no routes of it.
                Err(Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT) => Vec::new(),
                answer => answer.map_err(|errno| refused("list", "the routes", errno))?,
            };
            routes.extend(messages.into_iter().filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(route) => Some(route),
                _ => None,
            }));
        }
        Ok(routes)
    }

    async fn observe_namespace(
        &mut self,
        port: &Port,
        namespaces: &mut BTreeMap<PathBuf, Namespace>,
    ) {
        let PortKind::Veth { netns, .. } = &port.kind else {
            return;
        };
        if !namespaces.contains_key(netns) {
            let namespace = self.namespace(netns).await;
            let namespace = namespace.unwrap_or_else(Namespace::Closed);
            namespaces.insert(netns.clone(), namespace);
        }
    }

    async fn namespace(&mut self, path: &Path) -> Result<Namespace, Errno> {
        let file = open_namespace(path)?;
        if is_own(&file).map_err(|error| errno_of(&error))? {
            return Ok(Namespace::Own);
        }
        let mut message = NsidMessage::default();
        message.attributes = vec![NsidAttribute::Fd(descriptor(&file).cast_unsigned())];
        let answers = self
            .request(RouteNetlinkMessage::GetNsId(message), 0)
            .await?;
        let id = answers.iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewNsId(message) => {
                message
                    .attributes
                    .iter()
                    .find_map(|attribute| match attribute {
                        NsidAttribute::Id(id) => Some(*id),
                        _ => None,
                    })
            }
            _ => None,
        });
        // NETNSA_NSID_NOT_ASSIGNED of linux/net_namespace.h is -1.
        let id = id.filter(|id| *id >= 0);
        Ok(id.map_or(Namespace::Unknown, Namespace::Known))
    }
}

/// Opens a connection to the network namespace of the calling thread. Returns its handle, its
/// netlink port, and the task that moves its bytes.
fn open() -> io::Result<(rtnetlink::Handle, u32, JoinHandle<()>)> {
    // Strict: the kernel heeds a dump's filters, so that one link's addresses don't cost all.
    let (mut connection, netlink, _) = rtnetlink::new_connection_with_strict_check()?;
    // Without them a connection that fails would look like one whose answer is complete.
    connection.set_forward_ack(true);
    connection.set_forward_done(true);
    let address = connection.socket_mut().socket_mut().bind_auto()?;
    Ok((netlink, address.port_number(), tokio::spawn(connection)))
}

/// Opens the file of a network namespace. A path to another kind of file, even to a pipe, does not block.
///
/// # Errors
/// Returns the kernel's error if the path can't be opened.
pub fn open_namespace(path: &Path) -> Result<File, Errno> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(path).map_err(|error| errno_of(&error))
}

/// Returns the number of an open file's descriptor, by which netlink messages name a network namespace.
pub fn descriptor(file: &File) -> RawFd {
    file.as_raw_fd()
}

fn is_own(namespace: &File) -> io::Result<bool> {
    let own = std::fs::metadata("/proc/thread-self/ns/net")?;
    let other = namespace.metadata()?;
    Ok((own.dev(), own.ino()) == (other.dev(), other.ino()))
}

fn parse_link(message: &RouteNetlinkMessage) -> Option<(InterfaceName, Link)> {
    match message {
        RouteNetlinkMessage::NewLink(message) => Link::parse(message),
        _ => None,
    }
}

fn without_statistics() -> LinkAttribute {
    LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])
}

/// Returns the errno of an I/O error; EIO if the error has none.
pub fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Returns a [`SegmentError::Kernel`] that names the operation and the object that it was about.
pub fn refused(
    operation: &'static str,
    object: &(impl ToString + ?Sized),
    source: Errno,
) -> SegmentError {
    SegmentError::Kernel {
        operation,
        object: object.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;

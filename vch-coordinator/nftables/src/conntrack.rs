//! The kernel's connection tracker: lists its entries (flows), and deletes single ones.

use std::net::IpAddr;

use nix::errno::Errno;

use crate::abi::{conntrack as ct, netlink};
use crate::datum::IpVersion;
use crate::read::ReadError;
use crate::socket::{Channel, SocketError};
use crate::wire::{Attribute, Attributes, DecodeError, Header, Received, Writer, messages};

/// A netlink connection to the connection tracker of the network namespace in which it was opened.
///
/// Its calls block while the kernel works. The process needs `CAP_NET_ADMIN` in the namespace.
pub struct Conntrack {
    channel: Channel,
    sequence: u32,
}

/// The source and destination of one direction of a flow, each as an address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ends {
    /// The sender's address and port.
    pub source: (IpAddr, u16),
    /// The receiver's address and port.
    pub destination: (IpAddr, u16),
}

/// An entry of the connection tracker: a flow of a protocol with ports, such as a TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The number of the protocol above IP (`netinet/in.h`, `IPPROTO_*`).
    pub protocol: u8,
    /// Source and destination of the flow's first packet, before any address translation.
    pub original: Ends,
    /// Source and destination of the replies as the replying host sends them: the addresses after
    /// the translation of the first packet.
    pub reply: Ends,
    /// By which the kernel knows it from a later one between the same ends.
    id: [u8; 4],
    /// The tracker's zone, in the bytes of the wire; none is the default.
    zone: Option<[u8; 2]>,
}

/// A condition on entries of the connection tracker, by which [`Conntrack::flows`] selects. The kernel filters since
/// Linux 5.8; of an older kernel's entries, this crate drops those that do not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowFilter {
    /// Flows whose destination was translated to this address (DNAT).
    TranslatedTo(IpAddr),
    /// Flows of this protocol and IP version whose first packet was sent to this port, before any translation. The flow
    /// may be translated or not.
    AskedFor {
        /// The IP version.
        version: IpVersion,
        /// The number of the protocol above IP (`netinet/in.h`, `IPPROTO_*`).
        protocol: u8,
        /// The port to which the first packet was sent, before any translation; `None` for every
        /// port.
        port: Option<u16>,
    },
    /// Flows of this IP version whose destination was translated (DNAT).
    Translated(IpVersion),
}

/// Returns `AF_INET` or `AF_INET6` of `linux/socket.h`, which `NFPROTO_*` equal.
fn family(version: IpVersion) -> u8 {
    version as u8
}

impl FlowFilter {
    fn version(self) -> IpVersion {
        match self {
            Self::TranslatedTo(address) => (&address).into(),
            Self::AskedFor { version, .. } | Self::Translated(version) => version,
        }
    }

    fn write(self, w: &mut Writer) {
        let flags = |w: &mut Writer, kind, flags: u32| w.raw(kind, &flags.to_ne_bytes());
        match self {
            // Of IPv6 the kernel lets pass exactly what does not equal the filter's address
            // (`ctnetlink_filter_match_tuple`, Linux 5.8 to 6.18 at least): it is not asked.
            Self::TranslatedTo(IpAddr::V6(_)) => Self::Translated(IpVersion::V6).write(w),
            Self::TranslatedTo(address) => {
                Self::Translated(self.version()).write(w);
                w.nested(ct::TUPLE_REPLY, |w| {
                    w.nested(ct::TUPLE_IP, |w| write_address(w, address, true));
                });
                w.nested(ct::FILTER, |w| {
                    flags(w, ct::FILTER_ORIGINAL, 0);
                    flags(w, ct::FILTER_REPLY, ct::BY_IP_SOURCE);
                });
            }
            Self::AskedFor { protocol, port, .. } => {
                w.nested(ct::TUPLE_ORIGINAL, |w| {
                    w.nested(ct::TUPLE_PROTO, |w| {
                        w.raw(ct::PROTO_NUMBER, &[protocol]);
                        if let Some(port) = port {
                            w.raw(ct::PROTO_DESTINATION_PORT, &port.to_be_bytes());
                        }
                    });
                });
                w.nested(ct::FILTER, |w| {
                    let by = match port {
                        Some(_) => ct::BY_PROTO_NUMBER | ct::BY_PROTO_DESTINATION_PORT,
                        None => ct::BY_PROTO_NUMBER,
                    };
                    flags(w, ct::FILTER_ORIGINAL, by);
                    flags(w, ct::FILTER_REPLY, 0);
                });
            }
            Self::Translated(_) => {
                w.u32(ct::STATUS, ct::STATUS_DNAT);
                w.u32(ct::STATUS_MASK, ct::STATUS_DNAT);
            }
        }
    }

    fn lets_pass(self, flow: &Flow) -> bool {
        match self {
            Self::TranslatedTo(address) => {
                flow.reply.source.0 == address && flow.original.destination != flow.reply.source
            }
            Self::AskedFor { protocol, port, .. } => {
                let asked = flow.original.destination.1;
                flow.protocol == protocol && port.is_none_or(|port| port == asked)
            }
            Self::Translated(_) => flow.original.destination != flow.reply.source,
        }
    }
}

impl Conntrack {
    /// Opens a connection to the calling thread's network namespace.
    ///
    /// # Errors
    /// Returns [`SocketError`] if the kernel refuses the socket.
    pub fn open() -> Result<Self, SocketError> {
        Ok(Self {
            channel: Channel::open()?,
            sequence: 0,
        })
    }

    /// Returns the flows of the namespace that match the filter, in no fixed order. Entries of protocols without ports,
    /// such as ICMP, are left out.
    ///
    /// # Errors
    /// Returns [`ReadError::Refused`] if the kernel refuses, [`ReadError::Socket`] if the socket
    /// fails, [`ReadError::Decode`] if an entry can't be decoded.
    pub fn flows(&mut self, filter: FlowFilter) -> Result<Vec<Flow>, ReadError> {
        let family = family(filter.version());
        let mut flows = Vec::new();
        let header = Header::conntrack(ct::GET, netlink::F_DUMP, 0, family);
        self.ask(
            "list flows",
            header,
            |w| filter.write(w),
            |one| {
                let flow = decode(one)?;
                flows.extend(flow.filter(|flow| filter.lets_pass(flow)));
                Ok(())
            },
        )?;
        Ok(flows)
    }

    /// Deletes the entry of one flow, as [`Conntrack::flows`] returned it. A later flow between the same ends is left
    /// alone. Returns `false` if the entry no longer exists.
    ///
    /// # Errors
    /// Returns [`ReadError::Refused`] if the kernel refuses, [`ReadError::Socket`] if the socket
    /// fails, [`ReadError::Decode`] if the answer can't be decoded.
    pub fn delete(&mut self, flow: &Flow) -> Result<bool, ReadError> {
        let family = family((&flow.original.source.0).into());
        let request = |w: &mut Writer| {
            w.nested(ct::TUPLE_ORIGINAL, |w| {
                write_ends(w, flow.protocol, &flow.original);
            });
            w.raw(ct::ID, &flow.id);
            if let Some(zone) = &flow.zone {
                w.raw(ct::ZONE, zone);
            }
        };
        let header = Header::conntrack(ct::DELETE, netlink::F_ACK, 0, family);
        let deleted = self.ask("delete a flow", header, request, |_| Ok(()));
        match deleted {
            Err(error) if error.is_missing() => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Sends a request and takes what comes until its end.
    fn ask(
        &mut self,
        what: &str,
        header: Header,
        request: impl FnOnce(&mut Writer),
        mut take: impl FnMut(Received<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), ReadError> {
        self.sequence = self.sequence.wrapping_add(1);
        let header = Header {
            sequence: self.sequence,
            ..header
        };
        let mut writer = Writer::default();
        writer.message(header, request);
        self.channel.send(writer.bytes())?;
        let mut problem = None;
        loop {
            for one in messages(self.channel.receive()?) {
                let one = one?;
                if one.sequence != self.sequence {
                    continue;
                }
                if matches!(one.kind, netlink::ERROR | netlink::DONE) {
                    return match (one.refusal()?, problem) {
                        (Some(refusal), _) => Err(refused(what, refusal.errno)),
                        (None, Some(problem)) => Err(ReadError::Decode(problem)),
                        (None, None) => Ok(()),
                    };
                }
                if one.conntrack() == Some(ct::NEW) && problem.is_none() {
                    problem = take(one).err();
                }
            }
        }
    }
}

fn refused(what: &str, errno: Errno) -> ReadError {
    ReadError::Refused {
        what: what.to_owned(),
        errno,
    }
}

fn write_address(w: &mut Writer, address: IpAddr, source: bool) {
    let kind = match (address, source) {
        (IpAddr::V4(_), true) => ct::IP_V4_SOURCE,
        (IpAddr::V4(_), false) => ct::IP_V4_DESTINATION,
        (IpAddr::V6(_), true) => ct::IP_V6_SOURCE,
        (IpAddr::V6(_), false) => ct::IP_V6_DESTINATION,
    };
    match address {
        IpAddr::V4(address) => w.raw(kind, &address.octets()),
        IpAddr::V6(address) => w.raw(kind, &address.octets()),
    }
}

fn write_ends(w: &mut Writer, protocol: u8, ends: &Ends) {
    w.nested(ct::TUPLE_IP, |w| {
        write_address(w, ends.source.0, true);
        write_address(w, ends.destination.0, false);
    });
    w.nested(ct::TUPLE_PROTO, |w| {
        w.raw(ct::PROTO_NUMBER, &[protocol]);
        w.raw(ct::PROTO_SOURCE_PORT, &ends.source.1.to_be_bytes());
        w.raw(
            ct::PROTO_DESTINATION_PORT,
            &ends.destination.1.to_be_bytes(),
        );
    });
}

/// Decodes an entry; `None` for one of a protocol without ports, such as an echo.
fn decode(message: Received<'_>) -> Result<Option<Flow>, DecodeError> {
    let (_, attributes) = message.generic("a flow")?;
    let ends = |kind| ends(attributes.require(kind, "it lacks a direction")?.nested());
    let (Some((protocol, original)), Some((_, reply))) =
        (ends(ct::TUPLE_ORIGINAL)?, ends(ct::TUPLE_REPLY)?)
    else {
        return Ok(None);
    };
    let id = attributes.require(ct::ID, "it has no ID")?;
    let zone = attributes.find(ct::ZONE)?.map(fixed::<2>).transpose()?;
    Ok(Some(Flow {
        protocol,
        original,
        reply,
        id: fixed(id)?,
        zone,
    }))
}

fn ends(attributes: Attributes<'_>) -> Result<Option<(u8, Ends)>, DecodeError> {
    let ip = attributes
        .require(ct::TUPLE_IP, "it has no addresses")?
        .nested();
    let proto = attributes
        .require(ct::TUPLE_PROTO, "it has no protocol")?
        .nested();
    let address = |v4, v6| -> Result<IpAddr, DecodeError> {
        match ip.find(v4)? {
            Some(address) => Ok(IpAddr::from(fixed::<4>(address)?)),
            None => Ok(IpAddr::from(fixed::<16>(
                ip.require(v6, "an address is missing")?,
            )?)),
        }
    };
    let [protocol] = fixed::<1>(proto.require(ct::PROTO_NUMBER, "it has no protocol")?)?;
    let (Some(from), Some(to)) = (
        proto.find(ct::PROTO_SOURCE_PORT)?,
        proto.find(ct::PROTO_DESTINATION_PORT)?,
    ) else {
        return Ok(None);
    };
    let source = address(ct::IP_V4_SOURCE, ct::IP_V6_SOURCE)?;
    let destination = address(ct::IP_V4_DESTINATION, ct::IP_V6_DESTINATION)?;
    let ends = Ends {
        source: (source, u16::from_be_bytes(fixed(from)?)),
        destination: (destination, u16::from_be_bytes(fixed(to)?)),
    };
    Ok(Some((protocol, ends)))
}

fn fixed<const N: usize>(attribute: Attribute<'_>) -> Result<[u8; N], DecodeError> {
    let problem = "a value has another length than its kind";
    let bytes = attribute.value.try_into();
    bytes.map_err(|_| DecodeError::new("a flow", problem))
}

#[cfg(test)]
mod tests;

//! Typed values: of packets' fields, of sets' keys and of maps' data.

mod display;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::BitOr;

pub(crate) use display::write_concatenation;

use crate::abi::REGISTER_SIZE;
use crate::name::InterfaceName;

/// The type of a value in a set, a map or a packet's field. Each variant is described by nft's name of the type.
///
/// The kernel keeps the number of a set's type (`enum datatypes` of nft's `datatype.h`) without interpreting it, so
/// that nft and this crate can interpret the set's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// `integer` of 16 bits.
    Number,
    /// `ipv4_addr`: an IPv4 address.
    Ipv4,
    /// `ipv6_addr`: an IPv6 address.
    Ipv6,
    /// `ether_addr`: a MAC address.
    Ether,
    /// `ether_type`: the EtherType of a frame.
    EtherType,
    /// `arp_op`: the operation of an ARP message.
    ArpOperation,
    /// `inet_proto`: the number of the protocol above IP.
    Protocol,
    /// `inet_service`: a TCP, UDP or SCTP port.
    Service,
    /// `tcp_flag`: the control bits of a TCP segment.
    TcpFlags,
    /// `icmp_type`: the type of an ICMP message.
    IcmpType,
    /// `icmpv6_type`: the type of an ICMPv6 message.
    Icmpv6Type,
    /// `nf_proto`: the IP version of a packet, IPv4 or IPv6.
    NfProto,
    /// `mark`: the 32-bit mark of a packet or flow, which rules and programs on this host set; no packet carries it on
    /// the wire.
    Mark,
    /// `ifname`: the name of an interface.
    Interface,
    /// `ct_state`: the state of a flow in the connection tracker.
    CtState,
    /// `ct_dir`: the direction of a packet in its flow.
    CtDirection,
    /// `ct_status`: the status bits of a flow in the connection tracker.
    CtStatus,
    /// `fib_addrtype`: the kind of an address, as this host routes it.
    AddressType,
}

const TYPES: [(DataType, u32, &str, usize); 18] = [
    (DataType::NfProto, 2, "nf_proto", 1),
    (DataType::Number, 4, "integer", 2),
    (DataType::Ipv4, 7, "ipv4_addr", 4),
    (DataType::Ipv6, 8, "ipv6_addr", 16),
    (DataType::Ether, 9, "ether_addr", 6),
    (DataType::EtherType, 10, "ether_type", 2),
    (DataType::ArpOperation, 11, "arp_op", 2),
    (DataType::Protocol, 12, "inet_proto", 1),
    (DataType::Service, 13, "inet_service", 2),
    (DataType::IcmpType, 14, "icmp_type", 1),
    (DataType::TcpFlags, 15, "tcp_flag", 1),
    (DataType::Mark, 19, "mark", 4),
    (DataType::CtState, 26, "ct_state", 4),
    (DataType::CtDirection, 27, "ct_dir", 1),
    (DataType::CtStatus, 28, "ct_status", 4),
    (DataType::Icmpv6Type, 29, "icmpv6_type", 1),
    (DataType::AddressType, 38, "fib_addrtype", 4),
    (DataType::Interface, 41, "ifname", InterfaceName::LENGTH),
];

/// Width of one type's number in the number of a concatenation (`TYPE_BITS` of nft).
const TYPE_BITS: u32 = 6;

impl DataType {
    fn entry(self) -> (u32, &'static str, usize) {
        TYPES
            .iter()
            .find(|(data_type, ..)| *data_type == self)
            .map_or((0, "", 0), |(_, number, name, length)| {
                (*number, name, *length)
            })
    }

    /// Returns the length of a value in bytes.
    pub(crate) fn length(self) -> usize {
        self.entry().2
    }

    /// Returns whether a value stands in a register in the host's byte order, as values that the
    /// kernel itself counts do.
    pub(crate) fn is_host_order(self) -> bool {
        matches!(
            self,
            Self::Mark
                | Self::Interface
                | Self::CtState
                | Self::CtDirection
                | Self::CtStatus
                | Self::AddressType
        )
    }

    /// Returns the length of a value in a register or in a concatenation, in bytes: whole registers
    /// of 4.
    pub(crate) fn padded_length(self) -> usize {
        self.length().next_multiple_of(REGISTER_SIZE)
    }

    /// Returns the number of a concatenation of types: 6 bits a type.
    pub(crate) fn number(types: &[Self]) -> u32 {
        types.iter().fold(0, |number, data_type| {
            number << TYPE_BITS | data_type.entry().0
        })
    }

    /// Returns the types of such a number; `None` if one of them is not a [`DataType`].
    pub(crate) fn from_number(mut number: u32) -> Option<Vec<Self>> {
        let mut types = Vec::new();
        while number != 0 {
            let one = number & ((1 << TYPE_BITS) - 1);
            let (data_type, ..) = TYPES.iter().find(|(_, known, ..)| *known == one)?;
            types.insert(0, *data_type);
            number >>= TYPE_BITS;
        }
        (!types.is_empty()).then_some(types)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().1)
    }
}

/// A value with its type: the value of a packet's field, of a field of a set's key, or of a map's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// A 16-bit number in a header: the value of [`Field::IpFragment`](crate::Field::IpFragment) and
    /// [`Field::Ip6Fragment`](crate::Field::Ip6Fragment).
    Number(u16),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A MAC address.
    Ether([u8; 6]),
    /// The EtherType of an Ethernet frame (`linux/if_ether.h`, `ETH_P_*`).
    EtherType(u16),
    /// The operation of an ARP message: 1 for a request, 2 for a reply (RFC 826).
    ArpOperation(u16),
    /// The number of the protocol above IP, such as 6 for TCP (`netinet/in.h`, `IPPROTO_*`).
    Protocol(u8),
    /// A port of TCP, UDP or SCTP.
    Service(u16),
    /// Control bits of TCP (RFC 9293, 3.1).
    TcpFlags(TcpFlags),
    /// The type of an ICMP message (RFC 792).
    IcmpType(u8),
    /// The type of an ICMPv6 message (RFC 4443, RFC 4861).
    Icmpv6Type(u8),
    /// The IP version of a packet.
    NfProto(IpVersion),
    /// The mark of a packet or flow, or bits of one.
    Mark(u32),
    /// The name of an interface.
    Interface(InterfaceName),
    /// The state of the packet's flow in the connection tracker.
    CtState(CtState),
    /// The direction of the packet in its flow: `true` for replies, `false` for the direction of
    /// the first packet.
    CtReply(bool),
    /// The status bits of the packet's flow in the connection tracker.
    CtStatus(CtStatus),
    /// The kind of an address, as this host routes it.
    AddressType(AddressType),
}

/// An IP version. Its numeric value is `NFPROTO_IPV4` or `NFPROTO_IPV6` of `linux/netfilter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IpVersion {
    /// IPv4
    V4 = 2,
    /// IPv6
    V6 = 10,
}

/// The kind of an address, as this host would route a packet to it (`RTN_*` of
/// `linux/rtnetlink.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressType {
    /// An address of another host.
    Unicast = 1,
    /// An address of this host.
    Local = 2,
    /// A subnet's broadcast address.
    Broadcast = 3,
    /// The address of a multicast group.
    Multicast = 5,
}

/// Control bits of a TCP segment (RFC 9293, 3.1); combine them by `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags(pub(crate) u8);

impl TcpFlags {
    /// No control bit. [`Rule::tcp_flags`](crate::Rule::tcp_flags) compares the selected bits with it.
    pub const NONE: Self = Self(0);
    /// FIN: the sender has no more data.
    pub const FIN: Self = Self(1);
    /// SYN: the connection begins.
    pub const SYN: Self = Self(2);
    /// RST: the connection is reset.
    pub const RST: Self = Self(4);
    /// ACK: the acknowledgement number is valid, as in all but the first segment.
    pub const ACK: Self = Self(16);
}

/// States of a packet's flow in the connection tracker (`NF_CT_STATE_*` of `linux/netfilter/nf_conntrack_common.h`), as
/// bits. A packet has one of them; a set of several, combined by `|`, is for comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CtState(u32);

impl CtState {
    /// No state; no packet has it. [`Rule::ct_state`](crate::Rule::ct_state) compares the selected states with it.
    pub const NONE: Self = Self(0);
    /// The packet belongs to no flow, and can't begin one.
    pub const INVALID: Self = Self(1);
    /// The packet belongs to a flow with packets in both directions.
    pub const ESTABLISHED: Self = Self(2);
    /// The packet begins a flow that an established flow has announced, or is an ICMP error about
    /// such a flow.
    pub const RELATED: Self = Self(4);
    /// The packet begins a flow.
    pub const NEW: Self = Self(8);
    /// The packet is excluded from connection tracking.
    pub const UNTRACKED: Self = Self(64);
}

/// Status bits of a flow in the connection tracker (`enum ip_conntrack_status`); combine them by
/// `|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CtStatus(u32);

impl CtStatus {
    /// No bit: neither source nor destination of the flow is translated. [`Rule::ct_status`](crate::Rule::ct_status)
    /// compares the selected bits with it.
    pub const NONE: Self = Self(0);
    /// The flow's source is translated.
    pub const SNAT: Self = Self(1 << 4);
    /// The flow's destination is translated.
    pub const DNAT: Self = Self(1 << 5);
}

impl BitOr for CtState {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for TcpFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for CtStatus {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Datum {
    /// The protocol number of TCP (6), as a [`Datum::Protocol`].
    pub const TCP: Self = Self::Protocol(6);
    /// The protocol number of UDP (17), as a [`Datum::Protocol`].
    pub const UDP: Self = Self::Protocol(17);
    /// The protocol number of SCTP (132), as a [`Datum::Protocol`].
    pub const SCTP: Self = Self::Protocol(132);

    /// Returns the type of the value.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Number(_) => DataType::Number,
            Self::Ipv4(_) => DataType::Ipv4,
            Self::Ipv6(_) => DataType::Ipv6,
            Self::Ether(_) => DataType::Ether,
            Self::EtherType(_) => DataType::EtherType,
            Self::ArpOperation(_) => DataType::ArpOperation,
            Self::Protocol(_) => DataType::Protocol,
            Self::Service(_) => DataType::Service,
            Self::TcpFlags(_) => DataType::TcpFlags,
            Self::IcmpType(_) => DataType::IcmpType,
            Self::Icmpv6Type(_) => DataType::Icmpv6Type,
            Self::NfProto(_) => DataType::NfProto,
            Self::Mark(_) => DataType::Mark,
            Self::Interface(_) => DataType::Interface,
            Self::CtState(_) => DataType::CtState,
            Self::CtReply(_) => DataType::CtDirection,
            Self::CtStatus(_) => DataType::CtStatus,
            Self::AddressType(_) => DataType::AddressType,
        }
    }

    /// Returns the bytes as they stand in a register: in network byte order, but in the host's for
    /// values that the kernel itself counts (marks, bits, types).
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Ipv4(address) => address.octets().to_vec(),
            Self::Ipv6(address) => address.octets().to_vec(),
            Self::Ether(address) => address.to_vec(),
            Self::Number(n) | Self::EtherType(n) | Self::ArpOperation(n) | Self::Service(n) => {
                n.to_be_bytes().to_vec()
            }
            Self::Protocol(n)
            | Self::IcmpType(n)
            | Self::Icmpv6Type(n)
            | Self::TcpFlags(TcpFlags(n)) => vec![*n],
            Self::NfProto(version) => vec![*version as u8],
            Self::Mark(n) | Self::CtState(CtState(n)) | Self::CtStatus(CtStatus(n)) => {
                n.to_ne_bytes().to_vec()
            }
            Self::Interface(name) => name.register().to_vec(),
            Self::CtReply(reply) => vec![u8::from(*reply)],
            Self::AddressType(kind) => (*kind as u32).to_ne_bytes().to_vec(),
        }
    }

    /// Returns [`Datum::bytes`], padded to whole registers.
    pub(crate) fn padded(&self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes.resize(self.data_type().padded_length(), 0);
        bytes
    }

    /// Returns the value of these bytes, the inverse of [`Datum::bytes`]; `None` if the bytes are
    /// not a value of the type.
    pub(crate) fn from_bytes(data_type: DataType, bytes: &[u8]) -> Option<Self> {
        let word = || bytes.try_into().ok().map(u32::from_ne_bytes);
        let short = || bytes.try_into().ok().map(u16::from_be_bytes);
        let byte = || (bytes.len() == 1).then(|| bytes[0]);
        Some(match data_type {
            DataType::Ipv4 => Self::Ipv4(<[u8; 4]>::try_from(bytes).ok()?.into()),
            DataType::Ipv6 => Self::Ipv6(<[u8; 16]>::try_from(bytes).ok()?.into()),
            DataType::Ether => Self::Ether(bytes.try_into().ok()?),
            DataType::EtherType => Self::EtherType(short()?),
            DataType::ArpOperation => Self::ArpOperation(short()?),
            DataType::Service => Self::Service(short()?),
            DataType::Number => Self::Number(short()?),
            DataType::Protocol => Self::Protocol(byte()?),
            DataType::TcpFlags => Self::TcpFlags(TcpFlags(byte()?)),
            DataType::IcmpType => Self::IcmpType(byte()?),
            DataType::Icmpv6Type => Self::Icmpv6Type(byte()?),
            DataType::NfProto => Self::NfProto(match byte()? {
                2 => IpVersion::V4,
                10 => IpVersion::V6,
                _ => return None,
            }),
            DataType::Mark => Self::Mark(word()?),
            DataType::Interface => Self::Interface(InterfaceName::from_register(bytes)?),
            DataType::CtState => Self::CtState(CtState(word()?)),
            DataType::CtStatus => Self::CtStatus(CtStatus(word()?)),
            DataType::CtDirection => Self::CtReply(match byte()? {
                0 => false,
                1 => true,
                _ => return None,
            }),
            DataType::AddressType => Self::AddressType(match word()? {
                1 => AddressType::Unicast,
                2 => AddressType::Local,
                3 => AddressType::Broadcast,
                5 => AddressType::Multicast,
                _ => return None,
            }),
        })
    }
}

impl From<Ipv4Addr> for Datum {
    fn from(address: Ipv4Addr) -> Self {
        Self::Ipv4(address)
    }
}

impl From<Ipv6Addr> for Datum {
    fn from(address: Ipv6Addr) -> Self {
        Self::Ipv6(address)
    }
}

impl From<IpAddr> for Datum {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

impl From<&IpAddr> for IpVersion {
    fn from(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl From<InterfaceName> for Datum {
    fn from(name: InterfaceName) -> Self {
        Self::Interface(name)
    }
}

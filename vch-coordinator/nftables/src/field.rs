//! The fields of packets that rules can compare, and the checks that each needs before it can be read.

use std::fmt;

use crate::abi::expr;
use crate::datum::{DataType, Datum, IpVersion};
use crate::object::Family;

/// A field that a rule can compare: of a packet, of its path through the host, or of its entry in the connection
/// tracker. Each is described by its words in nft's syntax.
///
/// Before a rule reads a field of a header, the crate inserts a check that the packet has this header, unless the
/// chain's family implies it. A rule need not begin with `meta nfproto ipv4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `iifname`: the interface by which the packet arrived; in the bridge family, the bridge's port.
    InputInterface,
    /// `oifname`: the interface by which the packet leaves; in the bridge family, the bridge's port.
    OutputInterface,
    /// `meta nfproto`: IPv4 or IPv6; family inet only.
    NfProto,
    /// `meta l4proto`: the protocol above IP, behind all extension headers.
    L4Proto,
    /// `meta mark`: the packet's mark.
    Mark,
    /// `meta protocol`: the EtherType of the frame's content, behind a VLAN tag.
    Protocol,
    /// `ether type`: the EtherType in the frame's own header; that of VLAN if the frame is tagged.
    EtherType,
    /// `ether saddr`: the frame's source MAC address.
    EtherSource,
    /// `ether daddr`: the frame's destination MAC address.
    EtherDestination,
    /// `arp operation`: 1 for a request, 2 for a reply.
    ArpOperation,
    /// `arp saddr ether`: the sender's MAC address, as the ARP message states it.
    ArpSenderEther,
    /// `arp saddr ip`: the sender's IPv4 address, as the ARP message states it.
    ArpSenderIp,
    /// `arp daddr ether`: the target's MAC address, as the ARP message states it.
    ArpTargetEther,
    /// `arp daddr ip`: the target's IPv4 address, as the ARP message states it.
    ArpTargetIp,
    /// `ip saddr`: the IPv4 source address.
    IpSource,
    /// `ip daddr`: the IPv4 destination address.
    IpDestination,
    /// `ip frag-off`: 16 bits of the IPv4 header: three flags (the middle one forbids fragments, the last one says that
    /// more follow), then the fragment's offset in units of 8 bytes.
    IpFragment,
    /// `frag frag-off`: the fragment's offset in units of 8 bytes, in the high 13 bits (RFC 8200, 4.5); a packet
    /// without that header does not have the field.
    Ip6Fragment,
    /// `ip6 saddr`: the IPv6 source address.
    Ip6Source,
    /// `ip6 daddr`: the IPv6 destination address.
    Ip6Destination,
    /// `th sport`: the source port of TCP, UDP or SCTP, which have it at the same offset. Only a check of
    /// [`Field::L4Proto`] before keeps the rule from reading the bytes there of another protocol.
    SourcePort,
    /// `th dport`: the destination port of TCP, UDP or SCTP, which have it at the same offset. A rule should check
    /// [`Field::L4Proto`] before, as for [`Field::SourcePort`].
    DestinationPort,
    /// `tcp flags`: the control bits of a TCP segment.
    TcpFlags,
    /// `icmp type`: the type of an ICMP message.
    IcmpType,
    /// `icmpv6 type`: the type of an ICMPv6 message.
    Icmpv6Type,
    /// `icmpv6 taddr`: the target address of a neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4). Other
    /// ICMPv6 messages have other bytes there: a rule should check [`Field::Icmpv6Type`] before.
    NeighbourTarget,
    /// `ct state`: the state of the packet's flow.
    CtState,
    /// `ct direction`: whether the packet is a reply in its flow ([`Datum::CtReply`](crate::Datum::CtReply)).
    CtDirection,
    /// `ct status`: the status bits of the packet's flow.
    CtStatus,
    /// `ct mark`: the mark of the packet's flow, which the connection tracker keeps; it is not the packet's mark.
    CtMark,
    /// `ct original ip saddr`: the IPv4 source of the flow's first packet, before any translation.
    CtOriginalIpSource,
    /// `ct original ip daddr`: the IPv4 destination of the flow's first packet, before any translation.
    CtOriginalIpDestination,
    /// `ct original ip6 saddr`: the IPv6 source of the flow's first packet, before any translation.
    CtOriginalIp6Source,
    /// `ct original ip6 daddr`: the IPv6 destination of the flow's first packet, before any translation.
    CtOriginalIp6Destination,
    /// `ct original proto-dst`: the destination port of the flow's first packet, before any translation.
    CtOriginalDestinationPort,
    /// `fib saddr type`: the kind of the source address, as this host routes it ([`AddressType`](crate::AddressType)).
    FibSourceType,
    /// `fib daddr type`: the kind of the destination address, as this host routes it
    /// ([`AddressType`](crate::AddressType)).
    FibDestinationType,
}

/// The kernel expression that loads a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// A key of `enum nft_meta_keys`.
    Meta(u32),
    /// A base (`enum nft_payload_bases`), and an offset in bytes.
    Payload(u32, u32),
    /// The type of an IPv6 extension header, and an offset in it in bytes.
    Extension(u8, u32),
    /// A key of `enum nft_ct_keys`.
    Ct(u32),
    /// A key of `enum nft_ct_keys`, in the direction of the flow's first packet
    /// (`IP_CT_DIR_ORIGINAL`).
    CtOriginal(u32),
    /// Flags of `enum nft_fib_flags`, for a look-up of the address type.
    Fib(u32),
}

/// The condition on a packet under which a field of it has a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PacketHeader {
    /// Any packet that the family passes to the chain.
    Any,
    Ethernet,
    Arp,
    Ip(IpVersion),
    Transport(u8),
}

/// `IPPROTO_ICMP`, `IPPROTO_TCP` and `IPPROTO_ICMPV6` of `netinet/in.h`
const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;

impl Field {
    /// Returns the type of the field's value.
    #[must_use]
    pub fn data_type(self) -> DataType {
        match self {
            Self::InputInterface | Self::OutputInterface => DataType::Interface,
            Self::NfProto => DataType::NfProto,
            Self::L4Proto => DataType::Protocol,
            Self::Mark | Self::CtMark => DataType::Mark,
            Self::Protocol | Self::EtherType => DataType::EtherType,
            Self::EtherSource
            | Self::EtherDestination
            | Self::ArpSenderEther
            | Self::ArpTargetEther => DataType::Ether,
            Self::ArpOperation => DataType::ArpOperation,
            Self::ArpSenderIp
            | Self::ArpTargetIp
            | Self::IpSource
            | Self::IpDestination
            | Self::CtOriginalIpSource
            | Self::CtOriginalIpDestination => DataType::Ipv4,
            Self::Ip6Source
            | Self::Ip6Destination
            | Self::NeighbourTarget
            | Self::CtOriginalIp6Source
            | Self::CtOriginalIp6Destination => DataType::Ipv6,
            Self::SourcePort | Self::DestinationPort | Self::CtOriginalDestinationPort => {
                DataType::Service
            }
            Self::IpFragment | Self::Ip6Fragment => DataType::Number,
            Self::TcpFlags => DataType::TcpFlags,
            Self::IcmpType => DataType::IcmpType,
            Self::Icmpv6Type => DataType::Icmpv6Type,
            Self::CtState => DataType::CtState,
            Self::CtDirection => DataType::CtDirection,
            Self::CtStatus => DataType::CtStatus,
            Self::FibSourceType | Self::FibDestinationType => DataType::AddressType,
        }
    }

    /// Returns the expression that loads the field. Offsets: IEEE 802.3, RFC 826, RFC 791, RFC
    /// 8200, RFC 9293, RFC 4861.
    pub(crate) fn load(self) -> Load {
        match self {
            Self::InputInterface => Load::Meta(expr::META_IIFNAME),
            Self::OutputInterface => Load::Meta(expr::META_OIFNAME),
            Self::NfProto => Load::Meta(expr::META_NFPROTO),
            Self::L4Proto => Load::Meta(expr::META_L4PROTO),
            Self::Mark => Load::Meta(expr::META_MARK),
            Self::Protocol => Load::Meta(expr::META_PROTOCOL),
            Self::EtherDestination => Load::Payload(expr::PAYLOAD_LINK, 0),
            Self::EtherSource => Load::Payload(expr::PAYLOAD_LINK, 6),
            Self::EtherType => Load::Payload(expr::PAYLOAD_LINK, 12),
            Self::ArpOperation => Load::Payload(expr::PAYLOAD_NETWORK, 6),
            Self::ArpSenderEther => Load::Payload(expr::PAYLOAD_NETWORK, 8),
            Self::ArpSenderIp => Load::Payload(expr::PAYLOAD_NETWORK, 14),
            Self::ArpTargetEther => Load::Payload(expr::PAYLOAD_NETWORK, 18),
            Self::ArpTargetIp => Load::Payload(expr::PAYLOAD_NETWORK, 24),
            Self::IpFragment => Load::Payload(expr::PAYLOAD_NETWORK, 6),
            Self::Ip6Fragment => Load::Extension(expr::EXTHDR_FRAGMENT, 2),
            Self::IpSource => Load::Payload(expr::PAYLOAD_NETWORK, 12),
            Self::IpDestination => Load::Payload(expr::PAYLOAD_NETWORK, 16),
            Self::Ip6Source => Load::Payload(expr::PAYLOAD_NETWORK, 8),
            Self::Ip6Destination => Load::Payload(expr::PAYLOAD_NETWORK, 24),
            Self::SourcePort | Self::IcmpType | Self::Icmpv6Type => {
                Load::Payload(expr::PAYLOAD_TRANSPORT, 0)
            }
            Self::DestinationPort => Load::Payload(expr::PAYLOAD_TRANSPORT, 2),
            Self::TcpFlags => Load::Payload(expr::PAYLOAD_TRANSPORT, 13),
            Self::NeighbourTarget => Load::Payload(expr::PAYLOAD_TRANSPORT, 8),
            Self::CtState => Load::Ct(expr::CT_STATE),
            Self::CtDirection => Load::Ct(expr::CT_DIRECTION),
            Self::CtStatus => Load::Ct(expr::CT_STATUS),
            Self::CtMark => Load::Ct(expr::CT_MARK),
            Self::CtOriginalIpSource => Load::CtOriginal(expr::CT_SRC_IP),
            Self::CtOriginalIpDestination => Load::CtOriginal(expr::CT_DST_IP),
            Self::CtOriginalIp6Source => Load::CtOriginal(expr::CT_SRC_IP6),
            Self::CtOriginalIp6Destination => Load::CtOriginal(expr::CT_DST_IP6),
            Self::CtOriginalDestinationPort => Load::CtOriginal(expr::CT_PROTO_DST),
            Self::FibSourceType => Load::Fib(expr::FIB_F_SADDR),
            Self::FibDestinationType => Load::Fib(expr::FIB_F_DADDR),
        }
    }

    pub(crate) fn header(self) -> PacketHeader {
        match self {
            Self::EtherSource | Self::EtherDestination | Self::EtherType => PacketHeader::Ethernet,
            Self::ArpOperation
            | Self::ArpSenderEther
            | Self::ArpSenderIp
            | Self::ArpTargetEther
            | Self::ArpTargetIp => PacketHeader::Arp,
            Self::IpSource | Self::IpDestination | Self::IpFragment => {
                PacketHeader::Ip(IpVersion::V4)
            }
            Self::Ip6Source | Self::Ip6Destination | Self::Ip6Fragment => {
                PacketHeader::Ip(IpVersion::V6)
            }
            Self::TcpFlags => PacketHeader::Transport(TCP),
            Self::IcmpType => PacketHeader::Transport(ICMP),
            Self::Icmpv6Type | Self::NeighbourTarget => PacketHeader::Transport(ICMPV6),
            _ => PacketHeader::Any,
        }
    }

    fn keyword(self) -> &'static str {
        match self {
            Self::InputInterface => "iifname",
            Self::OutputInterface => "oifname",
            Self::NfProto => "meta nfproto",
            Self::L4Proto => "meta l4proto",
            Self::Mark => "meta mark",
            Self::Protocol => "meta protocol",
            Self::EtherType => "ether type",
            Self::EtherSource => "ether saddr",
            Self::EtherDestination => "ether daddr",
            Self::ArpOperation => "arp operation",
            Self::ArpSenderEther => "arp saddr ether",
            Self::ArpSenderIp => "arp saddr ip",
            Self::ArpTargetEther => "arp daddr ether",
            Self::ArpTargetIp => "arp daddr ip",
            Self::IpSource => "ip saddr",
            Self::IpDestination => "ip daddr",
            Self::IpFragment => "ip frag-off",
            Self::Ip6Fragment => "frag frag-off",
            Self::Ip6Source => "ip6 saddr",
            Self::Ip6Destination => "ip6 daddr",
            Self::SourcePort => "th sport",
            Self::DestinationPort => "th dport",
            Self::TcpFlags => "tcp flags",
            Self::IcmpType => "icmp type",
            Self::Icmpv6Type => "icmpv6 type",
            Self::NeighbourTarget => "icmpv6 taddr",
            Self::CtState => "ct state",
            Self::CtDirection => "ct direction",
            Self::CtStatus => "ct status",
            Self::CtMark => "ct mark",
            Self::CtOriginalIpSource => "ct original ip saddr",
            Self::CtOriginalIpDestination => "ct original ip daddr",
            Self::CtOriginalIp6Source => "ct original ip6 saddr",
            Self::CtOriginalIp6Destination => "ct original ip6 daddr",
            Self::CtOriginalDestinationPort => "ct original proto-dst",
            Self::FibSourceType => "fib saddr type",
            Self::FibDestinationType => "fib daddr type",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

/// The way in which a rule of some family checks that a packet has a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    /// No check: packets of this family always have the header.
    Never,
    /// The rule loads this and compares it with these bytes first.
    Compare(Load, Vec<u8>),
    /// No rule is possible: packets of this family never have the header.
    Impossible,
}

/// `ETH_P_*` of `linux/if_ether.h`
const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IP6: u16 = 0x86dd;
/// `linux/if_arp.h`
const ARPHRD_ETHER: u16 = 1;

impl PacketHeader {
    pub(crate) fn guard(self, family: Family) -> Guard {
        let compare = |field: Field, value: Datum| Guard::Compare(field.load(), value.bytes());
        let carries = |kind| compare(Field::Protocol, Datum::EtherType(kind));
        match (self, family) {
            (Self::Any, _)
            | (Self::Ethernet, Family::Bridge)
            | (Self::Arp, Family::Arp)
            | (Self::Ip(IpVersion::V4), Family::Ip)
            | (Self::Ip(IpVersion::V6), Family::Ip6) => Guard::Never,
            (Self::Ethernet, _) => Guard::Compare(
                Load::Meta(expr::META_IIFTYPE),
                ARPHRD_ETHER.to_ne_bytes().to_vec(),
            ),
            (Self::Ip(version), Family::Inet) => compare(Field::NfProto, Datum::NfProto(version)),
            (Self::Arp, Family::Bridge) => carries(ETHERTYPE_ARP),
            (Self::Ip(IpVersion::V4), Family::Bridge) => carries(ETHERTYPE_IP),
            (Self::Ip(IpVersion::V6), Family::Bridge) => carries(ETHERTYPE_IP6),
            (Self::Transport(_), Family::Arp) | (Self::Arp | Self::Ip(_), _) => Guard::Impossible,
            (Self::Transport(protocol), _) => compare(Field::L4Proto, Datum::Protocol(protocol)),
        }
    }
}

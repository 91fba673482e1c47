//! Writes values in nft's syntax.

use std::fmt;

use super::{AddressType, CtState, CtStatus, Datum, IpVersion, TcpFlags};

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Ether([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Self::EtherType(0x0800) => f.write_str("ip"),
            Self::EtherType(0x0806) => f.write_str("arp"),
            Self::EtherType(0x86dd) => f.write_str("ip6"),
            Self::EtherType(n) => write!(f, "{n:#06x}"),
            Self::Protocol(1) => f.write_str("icmp"),
            Self::Protocol(6) => f.write_str("tcp"),
            Self::Protocol(17) => f.write_str("udp"),
            Self::Protocol(58) => f.write_str("icmpv6"),
            Self::Protocol(132) => f.write_str("sctp"),
            Self::ArpOperation(1) => f.write_str("request"),
            Self::ArpOperation(2) => f.write_str("reply"),
            Self::Number(n) | Self::ArpOperation(n) | Self::Service(n) => n.fmt(f),
            Self::Protocol(n) | Self::IcmpType(n) | Self::Icmpv6Type(n) => n.fmt(f),
            Self::NfProto(IpVersion::V4) => f.write_str("ipv4"),
            Self::NfProto(IpVersion::V6) => f.write_str("ipv6"),
            Self::Mark(n) => write!(f, "{n:#010x}"),
            Self::Interface(name) => write!(f, "\"{name}\""),
            Self::CtState(CtState(bits)) => write_bits(f, *bits, &STATES),
            Self::CtReply(reply) => f.write_str(if *reply { "reply" } else { "original" }),
            Self::CtStatus(CtStatus(bits)) => write_bits(f, *bits, &STATUSES),
            Self::TcpFlags(TcpFlags(bits)) => write_bits(f, u32::from(*bits), &TCP_FLAGS),
            Self::AddressType(kind) => f.write_str(match kind {
                AddressType::Unicast => "unicast",
                AddressType::Local => "local",
                AddressType::Broadcast => "broadcast",
                AddressType::Multicast => "multicast",
            }),
        }
    }
}

const STATES: [(u32, &str); 5] = [
    (1, "invalid"),
    (2, "established"),
    (4, "related"),
    (8, "new"),
    (64, "untracked"),
];
const TCP_FLAGS: [(u32, &str); 4] = [(1, "fin"), (2, "syn"), (4, "rst"), (16, "ack")];
const STATUSES: [(u32, &str); 2] = [(1 << 4, "snat"), (1 << 5, "dnat")];

fn write_bits(f: &mut fmt::Formatter<'_>, bits: u32, names: &[(u32, &str)]) -> fmt::Result {
    let known: Vec<&str> = names
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, name)| *name)
        .collect();
    let rest = names.iter().fold(bits, |rest, (bit, _)| rest & !bit);
    f.write_str(&known.join(","))?;
    match (rest, known.is_empty()) {
        (0, false) => Ok(()),
        (_, true) => write!(f, "{rest:#x}"),
        (_, false) => write!(f, ",{rest:#x}"),
    }
}

/// Writes values joined as nft joins a concatenation.
pub(crate) fn write_concatenation<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        let separator = if at == 0 { "" } else { " . " };
        write!(f, "{separator}{part}")?;
    }
    Ok(())
}

//! Builds frames, genuine and forged.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub type Mac = [u8; 6];

pub const BROADCAST: Mac = [0xff; 6];
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const SCTP: u8 = 132;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const ACK: u8 = 16;

/// Returns an Ethernet frame (IEEE 802.3).
pub fn ether(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), payload].concat()
}

/// Returns the frame with a VLAN tag (IEEE 802.1Q).
pub fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &[0x81, 0x00, 0, 5], &frame[12..]].concat()
}

/// Returns the checksum of RFC 1071.
fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let words = bytes.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Puts the checksum over pseudo-header and payload where it belongs.
fn summed(from: IpAddr, to: IpAddr, protocol: u8, at: usize, mut payload: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let pseudo = [
        octets(from),
        octets(to),
        length.to_vec(),
        vec![0, 0, 0, protocol],
    ]
    .concat();
    let sum = match (protocol, from) {
        (ICMP, _) => checksum(&[&payload]),
        _ => checksum(&[&pseudo, &payload]),
    };
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    payload
}

/// Returns EtherType and packet of IP (RFC 791, RFC 8200). The hop limit of 255 is the one that
/// neighbour discovery needs.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> (u16, Vec<u8>) {
    let length = u16::try_from(payload.len()).unwrap();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = [0x45, 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0].to_vec();
            header[2..4].copy_from_slice(&(length + 20).to_be_bytes());
            header.extend(from.octets());
            header.extend(to.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            (0x0800, [&header, payload].concat())
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let [high, low] = length.to_be_bytes();
            let hops = if protocol == ICMPV6 { 255 } else { 64 };
            let mut header = vec![0x60, 0, 0, 0, high, low, protocol, hops];
            header.extend(from.octets());
            header.extend(to.octets());
            (0x86dd, [&header, payload].concat())
        }
        _ => panic!("{from} and {to} are of two families"),
    }
}

/// Returns a UDP datagram in an IP packet (RFC 768).
pub fn udp(from: (IpAddr, u16), to: (IpAddr, u16), data: &[u8]) -> (u16, Vec<u8>) {
    let length = u16::try_from(data.len() + 8).unwrap();
    let ports = [from.1, to.1, length, 0].map(u16::to_be_bytes).concat();
    let segment = summed(from.0, to.0, UDP, 6, [&ports, data].concat());
    ip(from.0, to.0, UDP, &segment)
}

/// Returns a TCP segment with these flags in an IP packet (RFC 9293).
pub fn tcp(from: (IpAddr, u16), to: (IpAddr, u16), flags: u8, data: &[u8]) -> (u16, Vec<u8>) {
    let ports = [from.1, to.1].map(u16::to_be_bytes).concat();
    let rest = [0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0];
    let segment = summed(from.0, to.0, TCP, 16, [&ports, &rest[..], data].concat());
    ip(from.0, to.0, TCP, &segment)
}

/// Returns an SCTP packet with one INIT chunk (RFC 9260). Its CRC32c checksum is left out, since
/// nothing on the path checks it.
pub fn sctp(from: (IpAddr, u16), to: (IpAddr, u16)) -> (u16, Vec<u8>) {
    let ports = [from.1, to.1].map(u16::to_be_bytes).concat();
    let mut packet = [&ports, &[0; 8][..]].concat();
    packet.extend([1, 0, 0, 20, 0, 0, 0, 9, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    let sum = crc32c(&packet).to_le_bytes();
    packet[8..12].copy_from_slice(&sum);
    ip(from.0, to.0, SCTP, &packet)
}

/// Returns the checksum of RFC 3309.
fn crc32c(bytes: &[u8]) -> u32 {
    let fold = |mut crc: u32, byte: &u8| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
        crc
    };
    !bytes.iter().fold(u32::MAX, fold)
}

/// Returns an ICMP message of the addresses' family: `kind` is its type, `rest` the bytes behind
/// the checksum.
pub fn icmp(from: IpAddr, to: IpAddr, kind: u8, rest: &[u8]) -> (u16, Vec<u8>) {
    let message = [&[kind, 0, 0, 0], rest].concat();
    let protocol = if from.is_ipv4() { ICMP } else { ICMPV6 };
    let message = summed(from, to, protocol, 2, message);
    ip(from, to, protocol, &message)
}

/// Returns an echo request, or a reply if `answer` (RFC 792, RFC 4443).
pub fn echo(from: IpAddr, to: IpAddr, answer: bool, data: &[u8]) -> (u16, Vec<u8>) {
    let kind = match (from.is_ipv4(), answer) {
        (true, false) => 8,
        (true, true) => 0,
        (false, answer) => 128 + u8::from(answer),
    };
    icmp(from, to, kind, &[&[0, 7, 0, 1], data].concat())
}

/// Returns an ARP message (RFC 826).
pub fn arp(operation: u8, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, operation];
    for (mac, address) in [sender, target] {
        message.extend(mac);
        message.extend(address.octets());
    }
    message
}

/// Returns a neighbour solicitation (135) or advertisement (136), with the sender's MAC address as
/// an option (RFC 4861).
pub fn neighbour(
    kind: u8,
    (from, to): (Ipv6Addr, Ipv6Addr),
    target: Ipv6Addr,
    mac: Option<Mac>,
) -> (u16, Vec<u8>) {
    let flags = if kind == 136 { 0x60 } else { 0 };
    let mut rest = vec![flags, 0, 0, 0];
    rest.extend(target.octets());
    if let Some(mac) = mac {
        rest.extend([if kind == 136 { 2 } else { 1 }, 1]);
        rest.extend(mac);
    }
    icmp(from.into(), to.into(), kind, &rest)
}

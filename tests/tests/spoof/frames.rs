//! Frames, byte by byte.

use std::net::{Ipv4Addr, Ipv6Addr};

pub fn ethernet(from: [u8; 6], to: [u8; 6], kind: u16, packet: &[u8]) -> Vec<u8> {
    [&to[..], &from, &kind.to_be_bytes(), packet].concat()
}

/// RFC 826.
pub fn arp(operation: u16, from: ([u8; 6], Ipv4Addr), to: ([u8; 6], Ipv4Addr)) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4];
    let (mac, address, their_mac, their) = (from.0, from.1.octets(), to.0, to.1.octets());
    [
        &head[..],
        &operation.to_be_bytes(),
        &mac,
        &address,
        &their_mac,
        &their,
    ]
    .concat()
}

/// A UDP datagram without a body (RFC 791, RFC 768: a checksum of zero is none).
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, (source, destination): (u16, u16)) -> Vec<u8> {
    let mut header = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, udp(source, destination)].concat()
}

fn udp(source: u16, destination: u16) -> Vec<u8> {
    [source, destination, 8, 0].map(u16::to_be_bytes).concat()
}

pub fn udp6(from: Ipv6Addr, to: Ipv6Addr, (source, destination): (u16, u16)) -> Vec<u8> {
    let mut body = udp(source, destination);
    let sum = checksum(&[&pseudo(from, to, 17, 8)[..], &body].concat());
    body[6..8].copy_from_slice(&sum.to_be_bytes());
    ipv6(from, to, 17, 64, &body)
}

/// RFC 8200, without a checksum in `body`.
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, hops: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let head = [0x60, 0, 0, 0, length[0], length[1], protocol, hops];
    let mut body = body.to_vec();
    if protocol == 58 {
        let sum = checksum(&[&pseudo(from, to, 58, body.len())[..], &body].concat());
        body[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    [&head[..], &from.octets(), &to.octets(), &body].concat()
}

/// RFC 4861, 4.4, with the target's link-layer address.
pub fn neighbour_advertisement(
    from: Ipv6Addr,
    to: Ipv6Addr,
    target: Ipv6Addr,
    mac: [u8; 6],
) -> Vec<u8> {
    let head = [136, 0, 0, 0, 0x60, 0, 0, 0];
    let body = [&head[..], &target.octets(), &[2, 1], &mac].concat();
    ipv6(from, to, 58, 255, &body)
}

/// RFC 4861, 4.2: a router for half an hour.
pub fn router_advertisement() -> Vec<u8> {
    vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// RFC 4861, 4.5.
pub fn redirect(destination: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    [
        &[137, 0, 0, 0, 0, 0, 0, 0][..],
        &target.octets(),
        &destination.octets(),
    ]
    .concat()
}

fn pseudo(from: Ipv6Addr, to: Ipv6Addr, protocol: u8, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap().to_be_bytes();
    [
        &from.octets()[..],
        &to.octets(),
        &length,
        &[0, 0, 0, protocol],
    ]
    .concat()
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

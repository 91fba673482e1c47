//! Announces the VM's addresses to its networks by gratuitous ARP and unsolicited neighbour advertisements. Other hosts
//! then stop sending to the NIC that had an address before.

#[cfg(test)]
mod tests;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use protocol::spec::MacAddress;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

/// `ETH_P_ARP` and `ETH_P_IPV6` of linux/if_ether.h.
const ETH_P_ARP: u16 = 0x0806;
const ETH_P_IPV6: u16 = 0x86dd;

/// A packet that announces an address to all hosts of a network, without its Ethernet header: a gratuitous ARP request,
/// or an unsolicited neighbour advertisement of IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The EtherType of the payload: 0x0806 (ARP) or 0x86dd (IPv6).
    pub ethertype: u16,
    /// The MAC address to send the packet to: broadcast for ARP, all nodes' multicast for IPv6.
    pub destination: [u8; 6],
    /// The ARP or IPv6 packet.
    pub payload: Vec<u8>,
}

/// Returns the packet that announces that `address` belongs to the NIC with MAC address `mac`: for IPv4 a gratuitous
/// ARP request (RFC 5944, 4.6), for IPv6 an unsolicited neighbour advertisement (RFC 4861, 7.2.6). Nothing is sent;
/// [`send`] does that.
pub fn announcement(address: IpAddr, mac: MacAddress) -> Announcement {
    match address {
        IpAddr::V4(v4) => Announcement {
            ethertype: ETH_P_ARP,
            destination: [0xff; 6],
            payload: gratuitous_arp(v4, mac),
        },
        IpAddr::V6(v6) => Announcement {
            ethertype: ETH_P_IPV6,
            // RFC 2464, section 7: the Ethernet address of ff02::1.
            destination: [0x33, 0x33, 0, 0, 0, 1],
            payload: unsolicited_advertisement(v6, mac),
        },
    }
}

/// Sends announcements once, each through the link with the given index. The kernel adds the Ethernet header. An
/// announcement is skipped if its link no longer exists or is down. Needs `CAP_NET_RAW`.
///
/// # Errors
/// Returns the errno if no packet socket can be opened; then nothing is sent. Otherwise returns the first errno by
/// which the kernel refused an announcement; all others are sent nevertheless.
pub fn send(announcements: &[(u32, Announcement)]) -> Result<(), Errno> {
    // One for all: the kernel waits for every processor when such a socket is closed (packet_release).
    let socket = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        // Protocol 0 receives nothing (packet(7)).
        None,
    )?;
    let mut refused = Ok(());
    for (link, announcement) in announcements {
        match send_by(&socket, *link, announcement) {
            Ok(()) | Err(Errno::ENXIO | Errno::ENODEV | Errno::ENETDOWN) => {}
            Err(errno) => refused = refused.and(Err(errno)),
        }
    }
    refused
}

fn send_by(socket: &OwnedFd, link: u32, announcement: &Announcement) -> Result<(), Errno> {
    let mut octets = [0; 8];
    octets[..6].copy_from_slice(&announcement.destination);
    let to = libc::sockaddr_ll {
        sll_family: 17, // AF_PACKET
        sll_protocol: announcement.ethertype.to_be(),
        sll_ifindex: i32::try_from(link).map_err(|_| Errno::ENODEV)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: octets,
    };
    let payload = &announcement.payload;
    #[expect(unsafe_code, reason = "nix makes no sockaddr_ll")]
    // SAFETY: both pointers are to live values of the given lengths for the time of the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            payload.as_ptr().cast(),
            payload.len(),
            0,
            (&raw const to).cast(),
            libc::socklen_t::try_from(size_of_val(&to)).map_err(|_| Errno::EINVAL)?,
        )
    };
    Errno::result(sent).map(drop)
}

/// Returns a gratuitous ARP request: both protocol addresses are the sender's own (RFC 5944,
/// section 4.6).
fn gratuitous_arp(address: Ipv4Addr, mac: MacAddress) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1];
    packet.extend(mac.octets());
    packet.extend(address.octets());
    packet.extend([0; 6]);
    packet.extend(address.octets());
    packet
}

/// Returns an unsolicited neighbour advertisement in its IPv6 header (RFC 4861, sections 4.4 and
/// 7.2.6).
fn unsolicited_advertisement(address: Ipv6Addr, mac: MacAddress) -> Vec<u8> {
    const ICMPV6: u8 = 58;
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ADVERTISEMENT: u8 = 136;
    const OVERRIDE: u8 = 0x20;
    const TARGET_LINK_ADDRESS: [u8; 2] = [2, 1];
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    message.extend(address.octets());
    message.extend(TARGET_LINK_ADDRESS);
    message.extend(mac.octets());
    let length = [0, 32];
    let mut pseudo = Vec::new();
    pseudo.extend(address.octets());
    pseudo.extend(ALL_NODES.octets());
    pseudo.extend([0, 0]);
    pseudo.extend(length);
    pseudo.extend([0, 0, 0, ICMPV6]);
    pseudo.extend(&message);
    message[2..4].copy_from_slice(&checksum(&pseudo).to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length);
    packet.extend([ICMPV6, 255]);
    packet.extend(address.octets());
    packet.extend(ALL_NODES.octets());
    packet.extend(message);
    packet
}

/// Returns the checksum of RFC 1071 over an even number of bytes.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(2);
    let mut sum: u32 = words
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

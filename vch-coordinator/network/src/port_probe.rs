//! Finds the process, other than the coordinator, that listens at a port of the VCH. A container's published port at
//! that port would take the process's connections, or lose its own to it.
//!
//! A port is probed by binding it for a moment, which costs the same however many sockets exist. `/proc` (proc(5)) is
//! read only for a port that is in use, to find the process's name.

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket,
        sockopt::{Ipv6V6Only, ReuseAddr},
    },
};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    path::Path,
};
use vch_ledger::{HostPort, Protocol};

/// States of linux/tcp.h as /proc/net shows them: listening, and for UDP not connected.
const LISTENING: &str = "0A";
const UNCONNECTED: &str = "07";

/// The port of DNS (RFC 1035, 4.2): the coordinator listens on it at every gateway.
const DNS: u16 = 53;

/// Finds the process of the VCH that listens at a port already, so that no container's port is published there. Looks
/// in the network namespace of the calling thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortProbe {
    /// The VCH's addresses on the management network and at the Docker endpoint, at which no port is published. A
    /// process that listens only there is never in the way.
    pub private: Vec<IpAddr>,
    /// The VCH's addresses on the external networks that are a default for published ports.
    pub defaults: Vec<IpAddr>,
    /// The VCH's addresses on all other external networks. A process that listens only there is not in the way of a
    /// port that is published at the default addresses.
    pub others: Vec<IpAddr>,
}

impl PortProbe {
    /// Returns the program and process that listens at a port of the VCH, as in `nginx (process 7)`. An address of
    /// `None` in `host` means all default addresses for published ports. `None` if no process listens there, or if that
    /// cannot be found out, as for SCTP. Binds the port for a moment, and reads `/proc` if it is in use.
    pub fn holder(&self, host: &HostPort) -> Option<String> {
        let any = |v4: bool| match v4 {
            true => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            false => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let wanted: Vec<IpAddr> = match host.address {
            None => vec![any(true), any(false)],
            Some(address) => vec![address],
        };
        wanted.into_iter().find_map(|address| {
            let at = SocketAddr::new(address, host.port);
            if !is_taken(host.protocol, at)? {
                return None;
            }
            listener(host.protocol, host.port, |listens| {
                if listens.is_unspecified() || !address.is_unspecified() {
                    return listens.is_unspecified() || listens == address;
                }
                listens.is_ipv4() == address.is_ipv4() && self.in_the_way(host, listens)
            })
        })
    }

    /// Returns whether a listener at one address conflicts with a port that is published at
    /// several.
    fn in_the_way(&self, host: &HostPort, listens: IpAddr) -> bool {
        let elsewhere = host.address.is_none() && self.others.contains(&listens);
        // No published port takes a gateway's DNS away.
        let gateway =
            host.port == DNS && !listens.is_loopback() && !self.defaults.contains(&listens);
        !(self.private.contains(&listens) || elsewhere || gateway)
    }
}

/// Returns whether a port is taken; `None` if the kernel does not tell: it does not have the
/// protocol, or the address is not this machine's.
fn is_taken(protocol: Protocol, at: SocketAddr) -> Option<bool> {
    let family = match at {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
        // A socket of it is made like TCP's, by a kernel that has it; its listeners are in no file
        // of /proc/net that has this form.
        Protocol::Sctp => return None,
    };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None).ok()?;
    if protocol == Protocol::Tcp {
        // What merely lingers there (TIME_WAIT) holds nothing.
        setsockopt(&socket, ReuseAddr, &true).ok()?;
    }
    if at.is_ipv6() {
        setsockopt(&socket, Ipv6V6Only, &true).ok()?;
    }
    match bind(socket.as_raw_fd(), &SockaddrStorage::from(at)) {
        Ok(()) => Some(false),
        Err(Errno::EADDRINUSE) => Some(true),
        Err(_) => None,
    }
}

/// Returns the program and process that listens at an address; `None` if no process does: a
/// connection that leaves by the port holds it too.
pub(crate) fn named(protocol: Protocol, at: SocketAddr) -> Option<String> {
    listener(protocol, at.port(), |address| {
        address == at.ip() || address.is_unspecified()
    })
}

/// Returns the program and process that listens at a port, at an address that `meant` accepts.
fn listener(protocol: Protocol, port: u16, meant: impl Fn(IpAddr) -> bool) -> Option<String> {
    let (files, state) = match protocol {
        Protocol::Tcp => (["tcp", "tcp6"], LISTENING),
        Protocol::Udp => (["udp", "udp6"], UNCONNECTED),
        Protocol::Sctp => return None,
    };
    let inode = files.into_iter().find_map(|file| {
        let table = fs::read_to_string(Path::new("/proc/thread-self/net").join(file)).ok()?;
        let mut lines = table.lines().skip(1);
        lines.find_map(|line| listens(line, state, port, &meant))
    })?;
    let process = holder_of(&inode);
    Some(process.unwrap_or_else(|| "a process of another namespace".to_owned()))
}

/// Returns the inode of the socket in a line of /proc/net/tcp or udp, if it listens at the port, at an address that
/// `meant` accepts.
fn listens(line: &str, state: &str, at: u16, meant: &impl Fn(IpAddr) -> bool) -> Option<String> {
    let mut fields = line.split_whitespace();
    let (local, status) = (fields.nth(1)?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let address = parsed(address)?;
    let same = status == state && u16::from_str_radix(port, 16).ok()? == at;
    (same && meant(address.to_canonical())).then(|| fields.nth(5).map(str::to_owned))?
}

/// Parses an address as /proc/net writes it: words of 32 bits in the machine's byte order.
fn parsed(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// Returns the process that has a socket open, as `program (process N)`.
fn holder_of(inode: &str) -> Option<String> {
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let mut numbers = numbers.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    numbers.find_map(|number| {
        let files = fs::read_dir(format!("/proc/{number}/fd")).ok()?;
        let targets = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok());
        targets
            .into_iter()
            .find(|target| target.as_os_str() == socket.as_str())?;
        let name = fs::read_to_string(format!("/proc/{number}/comm")).unwrap_or_default();
        Some(format!("{} (process {number})", name.trim()))
    })
}

#[cfg(test)]
mod tests;

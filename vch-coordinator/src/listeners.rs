//! Who listens at a port of the VCH, beside us: what is published there would be taken from him, or be
//! his instead.
//!
//! Whether anybody does is asked by binding the port for a moment, which costs the same however many
//! sockets there are; only for one that is taken /proc is read (proc(5)), for the name.

use crate::config::Config;
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

/// Looks at the sockets of the calling thread's network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// The VCH's own addresses on external networks: where ports are published that name none.
    addresses: Vec<IpAddr>,
}

impl Listeners {
    /// Those on the VCH of this configuration.
    pub fn beside(config: &Config) -> Self {
        let subnets = config.externals.iter().flat_map(|one| &one.subnets);
        Self {
            addresses: subnets.filter_map(|subnet| subnet.vch).collect(),
        }
    }

    /// Whoever listens there, in words: his program and process.
    pub fn holder(&self, host: &HostPort) -> Option<String> {
        let concerned: Vec<IpAddr> = match host.address {
            None => self.addresses.clone(),
            Some(any) if any.is_unspecified() => {
                let alike = self.addresses.iter();
                let alike = alike.filter(|address| address.is_ipv4() == any.is_ipv4());
                alike.copied().collect()
            }
            Some(one) => vec![one],
        };
        concerned.into_iter().find_map(|address| {
            let at = SocketAddr::new(address, host.port);
            let taken = is_taken(host.protocol, at)?;
            taken.then(|| named(host.protocol, at)).flatten()
        })
    }
}

/// `None` where the kernel does not say: it has no such protocol, or the address is not ours.
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

/// The name of who listens; `None` where nobody does: a connection that leaves by the port holds it
/// too.
pub(crate) fn named(protocol: Protocol, at: SocketAddr) -> Option<String> {
    let (files, state) = match protocol {
        Protocol::Tcp => (["tcp", "tcp6"], LISTENING),
        Protocol::Udp => (["udp", "udp6"], UNCONNECTED),
        Protocol::Sctp => return None,
    };
    let inode = files.into_iter().find_map(|file| {
        let table = fs::read_to_string(Path::new("/proc/thread-self/net").join(file)).ok()?;
        let mut lines = table.lines().skip(1);
        lines.find_map(|line| listens(line, state, at))
    })?;
    let process = holder_of(&inode);
    Some(process.unwrap_or_else(|| "a process of another namespace".to_owned()))
}

/// The socket's inode, if a line of /proc/net/tcp or udp is about one that would get what comes for
/// `at`.
fn listens(line: &str, state: &str, at: SocketAddr) -> Option<String> {
    let mut fields = line.split_whitespace();
    let (local, status) = (fields.nth(1)?, fields.nth(1)?);
    let (address, port) = local.split_once(':')?;
    let address = parsed(address)?;
    let meets = address.to_canonical() == at.ip() || address.is_unspecified();
    let same = status == state && u16::from_str_radix(port, 16).ok()? == at.port();
    (same && meets).then(|| fields.nth(5).map(str::to_owned))?
}

/// An address as /proc/net writes it: words of 32 bits in the machine's order.
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

/// Who has a socket open: `program (process N)`.
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

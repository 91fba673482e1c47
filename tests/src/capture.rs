//! Captures the packets that pass a network namespace, so that tests can assert which were sent and which were not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket,
};

use crate::deadline::{eventually, readable};
use crate::namespace::Namespace;

/// The parts of an IP packet that a [`Capture`] keeps: addresses, protocol and the first byte of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// The source address in its IP header.
    pub source: IpAddr,
    /// The destination address in its IP header.
    pub destination: IpAddr,
    /// The protocol number (IANA): 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6. Of IPv6 it is the first next header, which may be
    /// an extension header, such as 0 for hop-by-hop options.
    pub protocol: u8,
    /// The first byte behind the IP header, which is the type of an ICMP or ICMPv6 message; 0 if the packet ends there.
    pub first: u8,
}

impl Packet {
    /// Returns whether the packet is an ICMPv6 message of neighbour or router discovery (RFC 4861) or multicast
    /// listener discovery (RFC 3810), or has IPv6 hop-by-hop options. Kernels send such packets by themselves, so tests
    /// ignore them.
    #[must_use]
    pub fn is_discovery(&self) -> bool {
        self.protocol == 58 && matches!(self.first, 130..=137 | 143) || self.protocol == 0
    }
}

/// A capture of every IP packet of a namespace (packet(7)), on all of its links and in both directions. A packet that
/// passes several links is captured on each. Runs until it is dropped.
#[derive(Debug)]
pub struct Capture {
    seen: Arc<Mutex<Vec<Packet>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Starts a capture of a namespace: packets from this call on are captured.
    ///
    /// # Errors
    /// Returns the error of the system if the namespace cannot be entered or the socket cannot be opened.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let opened = namespace.run(|| {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            socket(
                AddressFamily::Packet,
                SockType::Datagram,
                flags,
                SockProtocol::EthAll,
            )
        })?;
        let socket = opened.with_context(|| format!("a packet socket in {}", namespace.name()))?;
        let (seen, stop) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(AtomicBool::new(false)),
        );
        let (to, until) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                collect(&socket, &to);
            }
        });
        Ok(Self {
            seen,
            stop,
            thread: Some(thread),
        })
    }

    /// Returns the packets captured so far for which `which` returns true, in the order of their arrival. They stay
    /// captured: a later call returns them again.
    pub fn matching(&self, which: impl Fn(&Packet) -> bool) -> Vec<Packet> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter()
            .filter(|packet| which(packet))
            .copied()
            .collect()
    }

    /// Waits until a packet for which `which` returns true is captured; one that was captured before this call counts.
    /// Every packet that passed earlier is captured then, too.
    ///
    /// # Errors
    /// Returns an error that names `what` if no such packet is captured in time.
    pub fn sees(
        &self,
        within: std::time::Duration,
        what: &str,
        which: impl Fn(&Packet) -> bool,
    ) -> Result<()> {
        eventually(within, what, || !self.matching(&which).is_empty())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It does not panic; and a test that fails already must not fail twice.
            let _ = thread.join();
        }
    }
}

fn collect(socket: &OwnedFd, seen: &Mutex<Vec<Packet>>) {
    if !readable(socket) {
        return;
    }
    let mut bytes = [0; 256];
    loop {
        match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut bytes) {
            Ok((length, _)) => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.extend(packet(&bytes[..length.min(bytes.len())]));
            }
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

/// Decodes an IP packet; `None` for other bytes (RFC 791, RFC 8200).
fn packet(bytes: &[u8]) -> Option<Packet> {
    let quad = |at: usize| <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok();
    let long = |at: usize| <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok();
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes[0] & 0x0f) * 4;
            Some(Packet {
                source: IpAddr::V4(Ipv4Addr::from(quad(12)?)),
                destination: IpAddr::V4(Ipv4Addr::from(quad(16)?)),
                protocol: *bytes.get(9)?,
                first: bytes.get(header).copied().unwrap_or_default(),
            })
        }
        6 => Some(Packet {
            source: IpAddr::V6(Ipv6Addr::from(long(8)?)),
            destination: IpAddr::V6(Ipv6Addr::from(long(24)?)),
            protocol: *bytes.get(6)?,
            first: bytes.get(40).copied().unwrap_or_default(),
        }),
        _ => None,
    }
}

//! Sends DNS queries over one UDP socket, which is cheaper than a process of `dig` for each.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::namespace::Namespace;

/// A DNS client of one name server (RFC 1035).
#[derive(Debug)]
pub struct Asker {
    socket: UdpSocket,
    asked: u16,
}

impl Asker {
    /// Makes a client in a namespace, which asks the name server at `server`, port 53, over UDP. An answer that does
    /// not arrive within `patience` counts as missing.
    ///
    /// # Errors
    /// Returns the error of the system if the socket cannot be opened in the namespace.
    pub fn of(namespace: &Namespace, server: IpAddr, patience: Duration) -> Result<Self> {
        let any = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        let socket = namespace
            .run(|| UdpSocket::bind(any))?
            .context("a socket")?;
        socket
            .connect(SocketAddr::new(server, 53))
            .context("connect to the server")?;
        socket.set_read_timeout(Some(patience))?;
        Ok(Self { socket, asked: 0 })
    }

    /// Asks for the IPv4 addresses (A records) of a name, and returns them in ascending order. Returns an empty list if
    /// the name does not exist or has no such address; `None` if no answer arrives in time, or it reports another
    /// error.
    pub fn addresses(&mut self, name: &str) -> Option<Vec<Ipv4Addr>> {
        self.asked = self.asked.wrapping_add(1);
        let id = self.asked.to_be_bytes();
        let mut question = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            question.push(u8::try_from(label.len()).ok()?);
            question.extend_from_slice(label.as_bytes());
        }
        question.extend_from_slice(&[0, 0, 1, 0, 1]);
        self.socket.send(&question).ok()?;
        let mut answer = [0; 1500];
        loop {
            let length = self.socket.recv(&mut answer).ok()?;
            // What comes late is an answer to a question before.
            if answer.get(..2)? == id {
                return parsed(answer.get(..length)?, question.len());
            }
        }
    }
}

/// Returns the addresses of an answer whose question has this length.
fn parsed(answer: &[u8], question: usize) -> Option<Vec<Ipv4Addr>> {
    const NO_ERROR: u8 = 0;
    const NO_SUCH_NAME: u8 = 3;
    match answer.get(3)? & 15 {
        NO_ERROR => {}
        NO_SUCH_NAME => return Some(Vec::new()),
        _ => return None,
    }
    let count = u16::from_be_bytes([*answer.get(6)?, *answer.get(7)?]);
    let mut rest = answer.get(question..)?;
    let mut addresses = Vec::new();
    for _ in 0..count {
        // A name as a pointer, type, class, time to live, length: 12 bytes.
        let length = usize::from(u16::from_be_bytes([*rest.get(10)?, *rest.get(11)?]));
        let data = rest.get(12..12 + length)?;
        if rest.get(2..4)? == [0, 1] {
            addresses.push(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?));
        }
        rest = rest.get(12 + length..)?;
    }
    addresses.sort_unstable();
    Some(addresses)
}

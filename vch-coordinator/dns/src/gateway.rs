//! The sockets of the gateway addresses that one thread serves.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};

use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;

use crate::network_id::NetworkId;
use crate::reactor::{Kind, Reactor, Token};
use crate::socket::Sockets;

/// The gateway addresses' sockets of one thread. Closing a socket ends its registration with epoll
/// (epoll(7)).
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    udp: HashMap<Token, (NetworkId, UdpSocket)>,
    tcp: HashMap<Token, (NetworkId, TcpListener)>,
    by_ip: HashMap<IpAddr, (Token, Token)>,
}

impl Gateways {
    /// Adds the sockets of a gateway address, and registers them for events.
    ///
    /// # Errors
    /// Returns the kernel's error if a socket can't be registered.
    pub(crate) fn add(
        &mut self,
        reactor: &mut Reactor,
        network: NetworkId,
        sockets: Sockets,
    ) -> Result<(), Errno> {
        let Sockets { udp, tcp, local } = sockets;
        let udp_token = reactor.register(Kind::Udp, &udp, EpollFlags::EPOLLIN)?;
        let tcp_token = reactor.register(Kind::Listener, &tcp, EpollFlags::EPOLLIN)?;
        self.udp.insert(udp_token, (network, udp));
        self.tcp.insert(tcp_token, (network, tcp));
        self.by_ip.insert(local.ip(), (udp_token, tcp_token));
        Ok(())
    }

    /// Closes an address's sockets. Returns its listener's token.
    pub(crate) fn remove(&mut self, ip: IpAddr) -> Option<Token> {
        let (udp, tcp) = self.by_ip.remove(&ip)?;
        self.udp.remove(&udp);
        self.tcp.remove(&tcp);
        Some(tcp)
    }

    /// Returns the next datagram of a socket: its length, its sender and the socket's network;
    /// `None` if none has arrived.
    pub(crate) fn receive(
        &self,
        token: Token,
        buffer: &mut [u8],
    ) -> Option<(usize, SocketAddr, NetworkId)> {
        let (network, socket) = self.udp.get(&token)?;
        let (length, peer) = socket.recv_from(buffer).ok()?;
        Some((length, peer, *network))
    }

    /// Sends a reply from the address that was asked. A datagram that the kernel does not take is
    /// dropped: the client asks again.
    pub(crate) fn send(&self, token: Token, peer: SocketAddr, reply: &[u8]) {
        if let Some((_, socket)) = self.udp.get(&token)
            && let Err(error) = socket.send_to(reply, peer)
        {
            tracing::debug!(%error, %peer, "dns: a reply was not sent");
        }
    }

    /// Accepts the next connection of a listener.
    ///
    /// # Errors
    /// Returns the error of accept(2); its kind is `WouldBlock` if no connection waits.
    pub(crate) fn accept(&self, token: Token) -> io::Result<(TcpStream, SocketAddr, NetworkId)> {
        let (network, listener) = self
            .tcp
            .get(&token)
            .ok_or_else(|| io::Error::from(ErrorKind::WouldBlock))?;
        let (stream, peer) = listener.accept()?;
        Ok((stream, peer, *network))
    }

    /// Stops or resumes accepting connections.
    pub(crate) fn set_accepting(&self, reactor: &Reactor, token: Token, accepting: bool) {
        let mut interest = EpollFlags::empty();
        interest.set(EpollFlags::EPOLLIN, accepting);
        if let Some((_, listener)) = self.tcp.get(&token)
            && let Err(error) = reactor.reregister(token, listener, interest)
        {
            tracing::warn!(%error, "dns: epoll refuses a listener");
        }
    }
}

//! Set-up that the loopback tests share: a running server, real clients, fake upstream servers.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use domain::base::iana::{Rcode, Rtype};
use domain::base::{Message, MessageBuilder, Name as WireName};
use domain::rdata::AllRecordData;

use crate::{Config, Name, Names, NetworkId, Policy, Server};

pub const NET: NetworkId = NetworkId(1);

/// A deadline that is longer than anything takes that these tests wait for.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Returns a loopback address that no other test uses, so that a port that was free stays free.
pub fn own_address() -> IpAddr {
    static USED: AtomicU16 = AtomicU16::new(1);
    let [high, low] = USED.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    [127, 100, high, low].into()
}

pub fn names() -> Arc<Names> {
    Arc::new(Names::new(Policy::default()).unwrap())
}

/// A server on one address of the loopback network, on a free port.
pub struct Served {
    pub server: Server,
    pub names: Arc<Names>,
    pub at: SocketAddr,
}

impl Served {
    pub fn with(config: Config) -> Self {
        let names = names();
        let server = Server::spawn(&Config { port: 0, ..config }, &names).unwrap();
        let at = server.listen(NET, own_address()).unwrap();
        Self { server, names, at }
    }

    pub fn ask(&self, qname: &str, qtype: Rtype) -> Message<Vec<u8>> {
        ask(self.at, qname, qtype)
    }

    pub fn connect(&self) -> Client {
        Client(connect(self.at))
    }
}

pub fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub fn query(id: u16, qname: &str, qtype: Rtype) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(id);
    builder.header_mut().set_rd(true);
    let mut questions = builder.question();
    let wire: WireName<Vec<u8>> = qname.parse().unwrap();
    questions.push((&wire, qtype)).unwrap();
    questions.finish()
}

/// Returns a socket that receives datagrams from `at` only: a reply from another address never
/// arrives.
pub fn udp(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

pub fn receive(socket: &UdpSocket) -> Message<Vec<u8>> {
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a reply in time");
    Message::from_octets(buffer[..length].to_vec()).unwrap()
}

pub fn ask(at: SocketAddr, qname: &str, qtype: Rtype) -> Message<Vec<u8>> {
    let socket = udp(at);
    socket.send(&query(4711, qname, qtype)).unwrap();
    let reply = receive(&socket);
    assert_eq!(reply.header().id(), 4711);
    reply
}

/// A client that keeps its TCP connection.
pub struct Client(pub TcpStream);

impl Client {
    pub fn send(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&length, message].concat()).unwrap();
    }

    pub fn receive(&mut self) -> Message<Vec<u8>> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).expect("a reply in time");
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut message).unwrap();
        Message::from_octets(message).unwrap()
    }

    pub fn ask(&mut self, qname: &str, qtype: Rtype) -> Message<Vec<u8>> {
        self.send(&query(815, qname, qtype));
        self.receive()
    }

    /// Returns whether the server closes the connection within the read time-out.
    pub fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

pub fn rcode(reply: &Message<Vec<u8>>) -> Rcode {
    reply.header().rcode()
}

/// Returns the data of all answers, as text.
pub fn data(reply: &Message<Vec<u8>>) -> Vec<String> {
    let answers = reply.answer().unwrap();
    answers
        .limit_to::<AllRecordData<_, _>>()
        .map(|record| record.unwrap().data().to_string())
        .collect()
}

/// Runs BIND's client; returns its output.
pub fn dig(at: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("dig")
        .arg(format!("@{}", at.ip()))
        .args(["-p", &at.port().to_string(), "+time=5", "+tries=1"])
        .args(arguments)
        .output()
        .expect("`dig` is missing: apt-get install bind9-dnsutils");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

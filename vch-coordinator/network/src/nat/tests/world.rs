//! A VCH in a network namespace, with bridges as `segments` makes them; the tests themselves hold
//! the containers' side of each tap, and that of hosts outside.
//!
//! A frame that is written to a tap has gone all of its way when the call returns (the kernel's tun
//! driver hands it to the bridge in the writer's own context), so what has not arrived by then was
//! dropped. Each test of something that does not pass has one of the same path that does.

use super::frames::{self, Mac};
use crate::nat::{
    NatEnvironment, NatError, Watch,
    actor::{NftActor, NftCommand},
};
use crate::segments::tap::Tap;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use protocol::spec::{FirewallLevel, InterfaceName};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use vch_ledger::desired::{
    BindingChange, Delta, DesiredEndpoint, EndpointChange, NetworkBacking, Segment,
};
use vch_ledger::{
    Attachment, ContainerId, EndpointId, External, ExternalAddressing, HostPort, Id, NetworkId,
    PortBinding, PortNumber, Protocol,
};
use vch_nftables::Subscription;

/// Runs a test in a network namespace of its own, which ends with the test.
pub fn in_namespace<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)
                .expect("these tests need root, for network namespaces");
            test()
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs a program; returns its standard output.
pub fn run(words: &str) -> String {
    let mut parts = words.split_whitespace();
    let output = std::process::Command::new(parts.next().unwrap())
        .args(parts)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

pub fn id<T: Id>(number: u8) -> T {
    T::from_bytes([number; 32])
}

pub fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

pub fn v4(text: &str) -> IpAddr {
    IpAddr::V4(text.parse::<Ipv4Addr>().unwrap())
}

pub fn v6(text: &str) -> IpAddr {
    IpAddr::V6(text.parse::<Ipv6Addr>().unwrap())
}

/// A machine at the other end of a tap.
pub struct Host {
    guest: File,
    pub port: String,
    pub mac: Mac,
    pub v4: Ipv4Addr,
    pub v6: Ipv6Addr,
    /// The MAC address of the VCH's side of the tap.
    pub gateway: Mac,
}

/// `virtio_net_hdr` of linux/virtio_net.h, without merged buffers: bytes before each frame.
const HEADER: usize = 10;
/// How long what must arrive may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    fn new(port: &str, number: u8, bridge: &str, (v4, v6): (&str, &str)) -> Self {
        let guest = Tap::create(&name(port)).unwrap().into_guest();
        run(&format!("ip link set {port} master {bridge} up"));
        let mac = [2, 0, 0, 0, 0, number];
        let text = mac.map(|byte| format!("{byte:02x}")).join(":");
        run(&format!(
            "bridge fdb replace {text} dev {port} master static"
        ));
        for address in [v4, v6] {
            run(&format!(
                "ip neigh replace {address} lladdr {text} dev {bridge} nud permanent"
            ));
        }
        let shown = run(&format!("ip -br link show {bridge}"));
        let gateway = shown.split_whitespace().nth(2).unwrap();
        let gateway: protocol::spec::MacAddress = gateway.parse().unwrap();
        Self {
            guest,
            port: port.to_owned(),
            mac,
            v4: v4.parse().unwrap(),
            v6: v6.parse().unwrap(),
            gateway: gateway.octets(),
        }
    }

    /// Returns the host's address of the same family as `like`.
    pub fn address(&self, like: IpAddr) -> IpAddr {
        match like {
            IpAddr::V4(_) => self.v4.into(),
            IpAddr::V6(_) => self.v6.into(),
        }
    }

    pub fn send(&mut self, frame: &[u8]) {
        let with_header = [&[0; HEADER][..], frame].concat();
        self.guest.write_all(&with_header).unwrap();
    }

    /// Sends a packet by the next hop with this MAC address.
    pub fn send_ip(&mut self, to: Mac, (kind, packet): (u16, Vec<u8>)) {
        let frame = frames::ether(to, self.mac, kind, &packet);
        self.send(&frame);
    }

    /// Returns all frames that have arrived by now.
    pub fn arrived(&mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while self.ready(Duration::ZERO) {
            let mut buffer = [0; 65_600];
            let length = self.guest.read(&mut buffer).unwrap();
            frames.push(buffer[HEADER..length].to_vec());
        }
        frames
    }

    fn ready(&self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(self.guest.as_fd(), PollFlags::POLLIN)];
        let patience = PollTimeout::try_from(patience).unwrap();
        loop {
            match poll(&mut fds, patience) {
                Ok(ready) => return ready == 1,
                Err(Errno::EINTR) => {}
                Err(errno) => panic!("poll: {errno}"),
            }
        }
    }

    /// Returns whether a frame that contains these bytes has arrived by now.
    pub fn has(&mut self, bytes: &[u8]) -> bool {
        let frames = self.arrived();
        frames.iter().any(|frame| holds(frame, bytes))
    }

    /// Returns the frame that contains these bytes; panics if it has not arrived.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        loop {
            let arrived = self.arrived();
            if let Some(frame) = arrived.into_iter().find(|frame| holds(frame, bytes)) {
                return frame;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(self.ready(left), "{}: {bytes:?} did not arrive", self.port);
        }
    }
}

fn holds(frame: &[u8], bytes: &[u8]) -> bool {
    frame.windows(bytes.len()).any(|window| window == bytes)
}

/// Returns source and destination, with ports, of a frame's TCP, UDP or SCTP packet.
pub fn ends(frame: &[u8]) -> ((IpAddr, u16), (IpAddr, u16)) {
    let port = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let four = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
    let six = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&frame[at..at + 16]).unwrap());
    match port(12) {
        0x0800 => ((four(26), port(34)), (four(30), port(36))),
        0x86dd => ((six(22), port(54)), (six(38), port(56))),
        other => panic!("EtherType {other:#06x} is not IP"),
    }
}

/// The tables' owner, run on the test's own thread.
pub struct DrivenNat {
    actor: NftActor,
    subscription: Option<Subscription>,
    /// Open as long as the owner lives.
    commands: (mpsc::Sender<NftCommand>, mpsc::Receiver<NftCommand>),
}

impl DrivenNat {
    pub fn open(environment: NatEnvironment) -> Result<Self, NatError> {
        Ok(Self {
            subscription: Some(Subscription::open()?),
            actor: NftActor::open(environment)?,
            commands: mpsc::channel(1),
        })
    }

    /// Returns a watch of other programs' changes since the actor was opened; may be called once.
    pub fn watch(&mut self) -> Result<Watch, NatError> {
        Watch::new(
            self.subscription.take().unwrap(),
            self.actor.port(),
            self.actor.tables(),
            self.commands.0.clone(),
            CancellationToken::new(),
        )
    }

    pub fn follow(&mut self, delta: &Delta) -> Result<(), NatError> {
        self.actor.follow(delta.into())
    }

    pub fn reconcile(&mut self, whole: &Delta) -> Result<(), NatError> {
        self.actor.reconcile(whole.into())
    }
}

/// The VCH: networks `a` and `b` with a bridge each, `s` and `t` on the shared one, `e` outside.
pub struct World {
    pub nat: DrivenNat,
    pub delta: Delta,
    pub hosts: BTreeMap<&'static str, Host>,
}

/// Networks: number, link, gateways.
pub const A: u8 = 1;
pub const B: u8 = 2;
pub const S: u8 = 3;
pub const T: u8 = 4;
pub const E: u8 = 5;
pub const I: u8 = 6;

/// The VCH's address outside.
pub const VCH: &str = "10.2.0.5";
pub const VCH6: &str = "2001:db8:2::5";
/// Its address on the management network.
pub const MANAGEMENT: &str = "192.168.9.1";
pub const MANAGEMENT6: &str = "2001:db8:9::1";

const LINKS: &str = "
    lo           127.0.0.1/8
    br-a         172.18.0.1/16   fd00:a::1/64
    br-b         172.19.0.1/16   fd00:b::1/64
    br-i         172.20.0.1/16   fd00:c::1/64
    vch-shared   10.8.0.1/24     fd00:5::1/64
    vch-shared   10.9.0.1/24     fd00:6::1/64
    br-ext       10.2.0.5/16     2001:db8:2::5/64
    br-mgmt      192.168.9.1/24  2001:db8:9::1/64";

/// Name, port, bridge, addresses. What has a port `vt-` is a container; the others are hosts.
const HOSTS: [(&str, &str, &str, (&str, &str)); 11] = [
    ("a1", "vt-a1", "br-a", ("172.18.0.2", "fd00:a::2")),
    ("a2", "vt-a2", "br-a", ("172.18.0.3", "fd00:a::3")),
    ("b1", "vt-b1", "br-b", ("172.19.0.2", "fd00:b::2")),
    ("s1", "vt-s1", "vch-shared", ("10.8.0.2", "fd00:5::2")),
    ("s2", "vt-s2", "vch-shared", ("10.8.0.3", "fd00:5::3")),
    ("t1", "vt-t1", "vch-shared", ("10.9.0.2", "fd00:6::2")),
    ("i1", "vt-i1", "br-i", ("172.20.0.2", "fd00:c::2")),
    ("e1", "vt-e1", "br-ext", ("10.2.1.1", "2001:db8:2::101")),
    ("e2", "vt-e2", "br-ext", ("10.2.1.2", "2001:db8:2::102")),
    ("out", "out0", "br-ext", ("10.2.0.99", "2001:db8:2::99")),
    ("mgmt", "mgmt0", "br-mgmt", ("192.168.9.9", "2001:db8:9::9")),
];

/// Returns a number for each link.
fn number_of(link: &str) -> usize {
    LINKS.lines().position(|line| line.contains(link)).unwrap()
}

/// Returns the network of a container.
fn network_of(host: &str) -> Option<u8> {
    Some(match host.as_bytes()[0] {
        b'a' => A,
        b'b' => B,
        b's' => S,
        b't' => T,
        b'i' => I,
        b'e' => E,
        _ => return None,
    })
}

pub fn environment() -> NatEnvironment {
    NatEnvironment {
        private: [name("br-mgmt")].into(),
        private_addresses: [v4(MANAGEMENT), v6(MANAGEMENT6)].into(),
    }
}

pub fn segment(number: u8) -> Segment {
    match number {
        A => Segment::Dedicated(name("br-a")),
        B => Segment::Dedicated(name("br-b")),
        I => Segment::Dedicated(name("br-i")),
        E => Segment::External(External {
            interface: name("br-ext"),
            dns: Vec::new(),
            addressing: ExternalAddressing::Static,
            level: FirewallLevel::Published,
            published: true,
        }),
        _ => Segment::Shared(name("vch-shared")),
    }
}

pub fn network(number: u8) -> NetworkBacking {
    let prefix = match number {
        A => "172.18.",
        B => "172.19.",
        I => "172.20.",
        S => "10.8.",
        T => "10.9.",
        _ => "10.2.",
    };
    let line = LINKS.lines().find(|line| line.contains(prefix)).unwrap();
    let addresses = line.split_whitespace().skip(1);
    let addresses: Vec<ipnet::IpNet> = addresses.map(|net| net.parse().unwrap()).collect();
    NetworkBacking {
        segment: segment(number),
        subnets: addresses.iter().map(ipnet::IpNet::trunc).collect(),
        addresses,
        mtu: None,
        dns_ttl: None,
        internal: number == I,
        isolated: false,
        untranslated: false,
    }
}

impl World {
    pub fn new() -> Self {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        let mut hosts = BTreeMap::new();
        for line in LINKS.lines().filter(|line| !line.trim().is_empty()) {
            let mut words = line.split_whitespace();
            let link = words.next().unwrap();
            if link != "lo" && !run("ip -br link").contains(link) {
                // A bridge without an address of its own takes one of its ports', a new one each time.
                let number = number_of(link);
                run(&format!(
                    "ip link add {link} address 02:ff:00:00:00:{number:02x} type bridge"
                ));
            }
            run(&format!("ip link set {link} up"));
            // As `segments` sets it for its bridges; here for all, so that the rules alone keep off what it lets in.
            let localnet = format!("/proc/sys/net/ipv4/conf/{link}/route_localnet");
            std::fs::write(localnet, "1").unwrap();
            for address in words.filter(|_| link != "lo") {
                run(&format!("ip addr add {address} dev {link} nodad"));
            }
        }
        let mut delta = Delta::default();
        for number in [A, B, S, T, E, I] {
            delta.networks.insert(id(number), Some(network(number)));
        }
        for (number, (host, port, bridge, addresses)) in (10..).zip(HOSTS) {
            let made = Host::new(port, number, bridge, addresses);
            if let Some(network) = network_of(host) {
                let endpoint = endpoint(network, &made);
                let change = EndpointChange {
                    before: None,
                    after: Some(endpoint),
                };
                delta.endpoints.insert(id(number), change);
            }
            hosts.insert(host, made);
        }
        let mut nat = DrivenNat::open(environment()).unwrap();
        nat.reconcile(&delta).unwrap();
        Self { nat, delta, hosts }
    }

    pub fn host(&mut self, host: &str) -> &mut Host {
        self.hosts.get_mut(host).unwrap()
    }

    /// Sends a frame from one host; returns whether it arrives at another.
    pub fn passes(&mut self, from: &str, frame: &[u8], to: &str, bytes: &[u8]) -> bool {
        self.host(to).arrived();
        self.host(from).send(frame);
        self.host(to).has(bytes)
    }

    /// Changes the endpoint of a container.
    pub fn endpoint(&mut self, host: &str, alter: impl FnOnce(&mut DesiredEndpoint)) {
        let port = self.hosts[host].port.clone();
        let (id, change) = self
            .delta
            .endpoints
            .iter_mut()
            .find(|(_, change)| change.after.as_ref().unwrap().port.as_str() == port)
            .unwrap();
        change.before.clone_from(&change.after);
        alter(change.after.as_mut().unwrap());
        let delta = Delta {
            endpoints: [(*id, change.clone())].into(),
            ..Delta::default()
        };
        self.nat.follow(&delta).unwrap();
    }

    /// Publishes a port of the VCH, or ends that.
    pub fn bind(&mut self, host: HostPort, binding: Option<PortBinding>) {
        let before = self.delta.bindings.get(&host);
        let before = before.and_then(|change| change.after.clone());
        let change = BindingChange {
            before,
            after: binding,
        };
        self.delta.bindings.insert(host, change.clone());
        let delta = Delta {
            bindings: [(host, change)].into(),
            ..Delta::default()
        };
        self.nat.follow(&delta).unwrap();
    }

    /// Publishes a container's port.
    pub fn publish(&mut self, host: HostPort, container: &str, port: u16, clients: &[&str]) {
        let to = &self.hosts[container];
        let target = vec![to.v4.into(), to.v6.into()];
        self.bind(host, Some(binding(host, target, port, clients)));
    }
}

pub fn host_port(protocol: Protocol, address: Option<IpAddr>, port: u16) -> HostPort {
    HostPort {
        protocol,
        address,
        port,
    }
}

pub fn binding(
    host: HostPort,
    target: Vec<IpAddr>,
    container_port: u16,
    clients: &[&str],
) -> PortBinding {
    PortBinding {
        host,
        container: id::<ContainerId>(1),
        endpoint: id::<EndpointId>(1),
        container_port,
        target,
        clients: clients.iter().map(|net| net.parse().unwrap()).collect(),
        ephemeral: false,
    }
}

pub fn opened(protocol: Protocol, port: u16) -> PortNumber {
    PortNumber { protocol, port }
}

pub fn endpoint(network: u8, host: &Host) -> DesiredEndpoint {
    let segment = segment(network);
    let level = match &segment {
        Segment::External(external) => Some(external.level),
        _ => None,
    };
    DesiredEndpoint {
        network: id::<NetworkId>(network),
        segment,
        port: name(&host.port),
        attachment: Attachment::Tap,
        interface: name("eth0"),
        mtu: None,
        addresses: vec![host.v4.into(), host.v6.into()],
        mac: host.mac.try_into().unwrap(),
        names: Vec::new(),
        pointer: "a".parse().unwrap(),
        level,
        opened: Vec::new(),
        nic: None,
    }
}

mod addresses;
mod batch;
mod complaints;
mod configurations;
mod containers;
mod externals;
mod live;
mod loading;
mod model;
mod names;
mod networks;
mod ports;
mod scale;
mod specs;

use super::{Environment, Ledger};
use crate::{
    AddContainer, Answer, Channel, Command, Connect, CreateNetwork, Dns, External,
    ExternalAddressing, ExternalNetwork, PortNumber, Refusal, Row, RowKey, Settings, Subnet,
    Transaction, VchId,
};
use ipnet::IpNet;
use protocol::spec::FirewallLevel;
use std::collections::BTreeMap;

/// A ledger, what stands around it, and a store that follows its changes.
struct World {
    ledger: Ledger,
    seed: u64,
    routes: Vec<IpNet>,
    listeners: BTreeMap<PortNumber, String>,
    store: BTreeMap<RowKey, Row>,
}

impl World {
    /// Makes a world with the predefined networks.
    fn new() -> Self {
        Self::with(Settings::of(VchId([7; 16])))
    }

    fn with(settings: Settings) -> Self {
        let mut world = Self::bare(settings);
        let done = world.with_environment(|ledger, environment| ledger.bootstrap(environment));
        let done = done.expect("the pools are free");
        world.follow(&done.expect("nothing exists"));
        world
    }

    fn bare(settings: Settings) -> Self {
        Self {
            ledger: Ledger::new(settings),
            seed: 1,
            routes: Vec::new(),
            listeners: BTreeMap::new(),
            store: BTreeMap::new(),
        }
    }

    fn with_environment<T>(
        &mut self,
        act: impl FnOnce(&mut Ledger, &mut Environment<'_>) -> T,
    ) -> T {
        let (seed, routes) = (&mut self.seed, &self.routes);
        let listeners = &self.listeners;
        let mut random = |bytes: &mut [u8]| fill(seed, bytes);
        let meets = |net: &IpNet| {
            let mut routes = routes.iter();
            let met = routes.find(|route| route.contains(net) || net.contains(*route));
            met.copied()
        };
        let mut environment = Environment {
            random: &mut random,
            now_ms: 1_000,
            host_overlap: &meets,
            listener: &|host| listeners.get(&host.number()).cloned(),
        };
        act(&mut self.ledger, &mut environment)
    }

    fn run(&mut self, command: Command) -> Result<Transaction, Refusal> {
        let done =
            self.with_environment(|ledger, environment| ledger.decide(command, environment))?;
        self.follow(&done);
        Ok(done)
    }

    /// Applies a transaction as the store does, and checks that every row was what the change says
    /// it was.
    fn follow(&mut self, done: &Transaction) {
        assert_eq!(done.revision, self.ledger.revision());
        for change in &done.changes {
            let before = match &change.after {
                Some(row) => {
                    assert_eq!(row.key(), change.key);
                    self.store.insert(change.key, row.clone())
                }
                None => self.store.remove(&change.key),
            };
            assert_eq!(before, change.before, "{:?}", change.key);
        }
    }

    fn must(&mut self, command: Command) -> Answer {
        self.run(command).expect("the command is possible").answer
    }

    /// Returns the refusal of a command, after checking that it changed nothing.
    fn refused(&mut self, command: Command) -> Refusal {
        let before = self.ledger.clone();
        let refusal = self.run(command).expect_err("the command is refused");
        assert_eq!(self.ledger, before);
        refusal
    }

    fn network(&mut self, name: &str, subnets: &[&str]) {
        self.must(Command::CreateNetwork(network(name, subnets)));
    }

    fn container(&mut self, name: &str) {
        self.must(Command::AddContainer(container(name)));
    }

    /// Adds a container and starts it.
    fn running(&mut self, name: &str) {
        self.container(name);
        self.start(name);
    }

    fn start(&mut self, name: &str) {
        self.must(Command::StartContainer(name.into()));
    }

    fn stop(&mut self, name: &str) {
        self.must(Command::StopContainer(name.into()));
    }

    fn connect(&mut self, container: &str, network: &str) -> String {
        match self.must(Command::Connect(Connect::tap(container, network))) {
            Answer::Connected { addresses, .. } => list(&addresses),
            other => panic!("{other:?}"),
        }
    }

    fn disconnect(&mut self, container: &str, network: &str) {
        self.must(disconnect(container, network));
    }
}

fn fill(seed: &mut u64, bytes: &mut [u8]) {
    // SplitMix64: the same numbers in every run.
    for chunk in bytes.chunks_mut(8) {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(z ^ (z >> 31)).to_be_bytes()[..chunk.len()]);
    }
}

fn list(nets: &[IpNet]) -> String {
    let nets = nets.iter().map(ToString::to_string);
    nets.collect::<Vec<_>>().join(" ")
}

fn network(name: &str, subnets: &[&str]) -> CreateNetwork {
    let mut request = CreateNetwork::named(name.parse().unwrap());
    let nets = subnets.iter().map(|net| net.parse::<IpNet>().unwrap());
    request.subnets = nets.map(Into::into).collect();
    request
}

/// Returns the request for a container on a Unix channel.
pub(crate) fn container(name: &str) -> AddContainer {
    AddContainer {
        name: name.parse().unwrap(),
        hostname: None,
        domain: None,
        sysctls: BTreeMap::new(),
        channel: Channel::Unix { path: None },
        dns: Dns::default(),
        extra_hosts: Vec::new(),
        ports: Vec::new(),
        publish_all: false,
    }
}

fn disconnect(container: &str, network: &str) -> Command {
    Command::Disconnect {
        container: container.into(),
        network: network.into(),
    }
}

/// Returns a static external network whose gateway is the first host, and the VCH the second.
fn external(name: &str, net: &str, published: bool) -> ExternalNetwork {
    let net: IpNet = net.parse().unwrap();
    let mut hosts = net.hosts();
    ExternalNetwork {
        name: name.parse().unwrap(),
        subnets: vec![Subnet {
            net,
            gateway: hosts.next(),
            vch: hosts.next(),
            ranges: Vec::new(),
            auxiliary: BTreeMap::new(),
        }],
        external: External {
            interface: format!("{name}0").parse().unwrap(),
            dns: Vec::new(),
            addressing: ExternalAddressing::Static,
            level: FirewallLevel::Published,
            published,
        },
    }
}

mod live;

use super::*;
use crate::ledger::tests::container;
use crate::{Command, Connect, CreateNetwork, Environment, Id, Settings, VchId};

struct DeltaWorld {
    ledger: Ledger,
    seed: u8,
}

impl DeltaWorld {
    fn new() -> Self {
        let mut world = Self {
            ledger: Ledger::new(Settings::of(VchId([7; 16]))),
            seed: 0,
        };
        world
            .with_environment(|ledger, environment| ledger.bootstrap(environment))
            .unwrap();
        world
    }

    fn with_environment<T>(
        &mut self,
        act: impl FnOnce(&mut Ledger, &mut Environment<'_>) -> T,
    ) -> T {
        let seed = &mut self.seed;
        let mut environment = Environment {
            random: &mut |bytes| {
                *seed += 1;
                bytes.fill(*seed);
            },
            now_ms: 1,
            host_overlap: &|_| None,
            listener: &|_| None,
        };
        act(&mut self.ledger, &mut environment)
    }

    /// Decides a command; returns its delta.
    fn delta(&mut self, command: Command) -> Delta {
        let done = self.with_environment(|ledger, environment| ledger.decide(command, environment));
        follow(&self.ledger, &done.unwrap())
    }

    /// Makes a world with network `app` and container `web`.
    fn furnished() -> Self {
        let mut world = Self::new();
        world.delta(network("app"));
        world.delta(add("web"));
        world
    }
}

/// Adds a container on a Unix channel.
fn add(name: &str) -> Command {
    Command::AddContainer(container(name))
}

fn network(name: &str) -> Command {
    let mut request = CreateNetwork::named(name.parse().unwrap());
    request.subnets = vec!["10.9.8.0/24".parse::<IpNet>().unwrap().into()];
    request.internal = true;
    Command::CreateNetwork(request)
}

fn connect(attachment: Attachment) -> Command {
    Command::Connect(Connect {
        attachment,
        aliases: vec!["www".parse().unwrap()],
        ..Connect::tap("web", "app")
    })
}

fn disconnect() -> Command {
    Command::Disconnect {
        container: "web".into(),
        network: "app".into(),
    }
}

fn only<K: Ord, V>(map: &BTreeMap<K, V>) -> &V {
    assert_eq!(map.len(), 1);
    map.values().next().unwrap()
}

#[test]
fn names_of_links_fit_the_kernel_and_tell_their_kind() {
    let network = NetworkId::from_bytes([0xab; 32]);
    let endpoint = EndpointId::from_bytes([0xcd; 32]);
    assert_eq!(bridge_name(network).to_string(), "br-abababababab");
    assert_eq!(port_name(endpoint).to_string(), "vt-cdcdcdcdcdcd");
}

#[test]
fn a_network_is_a_bridge_with_its_gateway() {
    let mut world = DeltaWorld::new();
    let delta = world.delta(network("app"));
    let backing = only(&delta.networks).as_ref().unwrap();
    let gateway: IpNet = "10.9.8.1/24".parse().unwrap();
    assert_eq!(backing.addresses, [gateway]);
    assert!(backing.internal);
    assert!(delta.endpoints.is_empty() && delta.containers.is_empty());
    let gone = world.delta(Command::RemoveNetwork("app".into()));
    assert_eq!(only(&gone.networks), &None);
}

#[test]
fn the_whole_of_a_new_ledger_has_a_bridge_for_bridge_and_none_for_none() {
    let world = DeltaWorld::new();
    let whole = Delta::whole(&world.ledger);
    assert_eq!(whole.networks.len(), world.ledger.networks().len());
    for network in world.ledger.networks() {
        let backing = network.is_bridge();
        assert_eq!(whole.networks[&network.id].is_some(), backing);
    }
}

#[test]
fn a_connection_is_a_port_with_names_and_a_new_spec() {
    let mut world = DeltaWorld::furnished();
    world.delta(Command::StartContainer("web".into()));
    let delta = world.delta(connect(Attachment::Tap));
    let change = only(&delta.endpoints);
    assert_eq!(change.before, None);
    let endpoint = change.after.as_ref().unwrap();
    assert_eq!(endpoint.attachment, Attachment::Tap);
    let bridge = Segment::Dedicated(bridge_name(endpoint.network));
    assert_eq!(endpoint.segment, bridge);
    let address: IpAddr = "10.9.8.2".parse().unwrap();
    assert_eq!(endpoint.addresses, [address]);
    let names: Vec<_> = endpoint.names.iter().map(ToString::to_string).collect();
    assert!(names.contains(&"web".to_owned()) && names.contains(&"www".to_owned()));
    let target = only(&delta.containers).as_ref().unwrap();
    assert_eq!(target.asks_from, [(endpoint.network, address)]);
    let spec = target.spec.as_ref().unwrap();
    assert_eq!(spec.parts().interfaces.len(), 1);

    let gone = world.delta(disconnect());
    let change = only(&gone.endpoints);
    assert_eq!(change.before.as_ref(), Some(endpoint));
    assert_eq!(change.after, None);
    let target = only(&gone.containers).as_ref().unwrap();
    assert!(target.asks_from.is_empty());
    let after = target.spec.as_ref().unwrap();
    assert!(after.parts().interfaces.is_empty());
    assert!(after.id().generation > spec.id().generation);
}

#[test]
fn a_veth_goes_to_its_namespace_with_the_endpoints_mac() {
    let mut world = DeltaWorld::furnished();
    let namespace = "/run/netns/web".parse().unwrap();
    let attachment = Attachment::Veth { namespace };
    let delta = world.delta(connect(attachment.clone()));
    let endpoint = only(&delta.endpoints).after.as_ref().unwrap();
    assert_eq!(endpoint.attachment, attachment);
    assert_eq!(endpoint.interface.to_string(), "eth0");
    let endpoint = world.ledger.endpoints().next().unwrap();
    assert_eq!(endpoint.mac, endpoint.mac);
}

#[test]
fn a_container_has_no_spec_before_its_first_start() {
    let mut world = DeltaWorld::furnished();
    let delta = world.delta(connect(Attachment::Tap));
    assert_eq!(only(&delta.containers).as_ref().unwrap().spec, None);
    let started = world.delta(Command::StartContainer("web".into()));
    assert!(only(&started.containers).as_ref().unwrap().spec.is_some());
}

#[test]
fn a_container_that_goes_takes_its_endpoints_along() {
    let mut world = DeltaWorld::furnished();
    world.delta(connect(Attachment::Tap));
    let delta = world.delta(Command::RemoveContainer {
        container: "web".into(),
        force: true,
    });
    assert_eq!(only(&delta.containers), &None);
    let change = only(&delta.endpoints);
    assert!(change.before.is_some() && change.after.is_none());
}

#[test]
fn what_was_followed_step_by_step_is_the_whole() {
    let mut world = DeltaWorld::furnished();
    let mut followed = Delta::whole(&DeltaWorld::furnished().ledger);
    let steps = [
        connect(Attachment::Tap),
        Command::StartContainer("web".into()),
        add("db"),
        Command::Connect(Connect::tap("db", "app")),
        disconnect(),
    ];
    for step in steps {
        let delta = world.delta(step);
        followed.networks.extend(delta.networks);
        followed.containers.extend(delta.containers);
        for (id, change) in delta.endpoints {
            match change.after {
                Some(after) => {
                    let after = Some(after);
                    followed.endpoints.insert(
                        id,
                        EndpointChange {
                            before: None,
                            after,
                        },
                    );
                }
                None => {
                    followed.endpoints.remove(&id);
                }
            }
        }
    }
    assert_eq!(followed, Delta::whole(&world.ledger));
}

#[test]
fn another_limit_is_a_change_of_its_endpoint_alone() {
    let mut world = DeltaWorld::furnished();
    world.delta(connect(Attachment::Tap));
    let delta = world.delta(Command::SetRate {
        container: "web".into(),
        network: "app".into(),
        rate: "50mbit".parse().ok(),
    });
    let change = only(&delta.endpoints);
    let [before, after] = [&change.before, &change.after].map(|one| one.as_ref().unwrap());
    let limit = after.limit.as_ref().unwrap();
    assert_eq!((&before.limit, limit.rate.bits()), (&None, 50_000_000));
    let id = after.port.as_str().strip_prefix("vt-").unwrap();
    assert_eq!(limit.ifb.as_str(), format!("vi-{id}"));
    assert!(delta.networks.is_empty() && delta.containers.is_empty() && delta.links.is_empty());
}

#[test]
fn another_dns_ttl_is_a_change_of_its_network_alone() {
    let mut world = DeltaWorld::furnished();
    world.delta(connect(Attachment::Tap));
    let delta = world.delta(Command::SetDnsTtl {
        network: "app".into(),
        ttl: 300.try_into().ok(),
    });
    let backing = only(&delta.networks).as_ref().unwrap();
    assert_eq!(backing.dns_ttl.map(u32::from), Some(300));
    assert!(delta.endpoints.is_empty() && delta.containers.is_empty());
}

//! The converge loop against a real kernel, each test in a network namespace of its own.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod namespace;

use namespace::{inside, interface, ip, mac, net, route, spec, veth};
use protocol::message::{InterfaceState, LinkChange};
use protocol::session::agent::Applied;
use protocol::spec::{Mtu, NetSpec, NicMatch, Route};
use std::time::{Duration, Instant};
use tether_net::converge::Converger;
use tether_net::netlink::Netlink;
use tether_net::observe::{Sysfs, observe};
use tether_net::resolver::{Files, HostnameScope};
use tether_net::watch::Watch;

struct Guest {
    converger: Converger,
    root: tempfile::TempDir,
    watch: Watch,
    runtime: tokio::runtime::Runtime,
}

impl Guest {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        let root = tempfile::tempdir().unwrap();
        let files = Files::new(root.path(), HostnameScope::File);
        let (watch, converger) = {
            let _inside = runtime.enter();
            let converger = Converger::open(files, Sysfs::default()).unwrap();
            (Watch::open().unwrap(), converger)
        };
        Self {
            converger,
            root,
            watch,
            runtime,
        }
    }

    fn converge(&mut self, spec: &NetSpec) -> Applied {
        let converging = self.converger.converge(spec, Instant::now(), true, || {});
        self.runtime.block_on(converging).unwrap()
    }

    /// Converges, and says whether the kernel told of any change.
    fn changes_anything(&mut self, spec: &NetSpec) -> bool {
        self.watch.forget();
        self.converge(spec);
        self.watch.forget()
    }
}

fn all_up(applied: &Applied) {
    for interface in &applied.interfaces {
        assert_eq!(interface.state, InterfaceState::Up, "{}", interface.name);
    }
    assert_eq!(applied.failures, []);
}

#[test]
fn a_whole_spec_is_made_and_made_again_without_a_single_change() {
    inside(|| {
        veth("ens3", 1);
        veth("ens4", 2);
        ip("link set ens3 up");
        let mut one = interface("eth0", 1, &["10.0.0.2/24", "10.0.0.3/24", "fd00::2/64"]);
        one.mac = mac(9);
        one.mtu = Some(Mtu::try_from(1400).unwrap());
        one.routes = vec![
            route("0.0.0.0/0", "10.0.0.1"),
            route("::/0", "fd00::1"),
            Route {
                metric: 50,
                source: Some("10.0.0.3".parse().unwrap()),
                ..route("172.16.0.0/12", "10.0.0.1")
            },
            Route {
                gateway: None,
                ..route("192.168.7.0/24", "10.0.0.1")
            },
        ];
        let mut two = interface("eth1", 2, &["10.1.0.2/32"]);
        two.routes = vec![Route {
            on_link: true,
            metric: 10,
            ..route("0.0.0.0/0", "10.9.9.1")
        }];
        let wanted = spec(1, vec![one, two]);
        let mut guest = Guest::new();
        guest.watch.forget();
        let applied = guest.converge(&wanted);
        assert!(guest.watch.forget(), "the monitor hears nothing");
        all_up(&applied);
        let first = &applied.interfaces[0];
        assert_eq!((first.mtu, first.mac), (1400, mac(9)));
        let mut addresses = first.addresses.clone();
        addresses.sort();
        let texts = ["10.0.0.2/24", "10.0.0.3/24", "fd00::2/64"];
        assert_eq!(addresses, texts.map(net));
        assert_eq!(first.routes.len(), 4);

        assert!(ip("link show eth0").contains("link/ether 02:00:00:00:00:09"));
        assert!(ip("addr show eth0").contains("inet6 fd00::2/64 scope global nodad"));
        assert!(ip("route show").contains("default via 10.0.0.1 dev eth0 proto 77"));
        assert!(
            ip("route show").contains("default via 10.9.9.1 dev eth1 proto 77 metric 10 onlink")
        );
        assert!(ip("-6 route show").contains("default via fd00::1 dev eth0 proto 77 metric 1024"));
        assert!(ip("link show lo").contains("UP"));

        assert!(
            !guest.changes_anything(&wanted),
            "applied again, it changed something"
        );
        // A restarted agent knows its own work by its marks.
        let mut restarted = Guest::new();
        assert!(!restarted.changes_anything(&wanted));
    });
}

#[test]
fn what_a_new_spec_lacks_goes_and_what_others_set_stays() {
    inside(|| {
        veth("ens3", 1);
        veth("ens4", 2);
        let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
        one.routes = vec![route("0.0.0.0/0", "10.0.0.1")];
        let two = interface("eth1", 2, &["10.1.0.2/24", "fd01::2/64"]);
        all_up(&Guest::new().converge(&spec(1, vec![one, two.clone()])));
        ip("addr add 10.0.0.77/24 dev eth0");
        ip("addr add 10.5.0.77/24 dev eth1");
        ip("route add 172.20.0.0/16 via 10.1.0.1");
        let mut fewer = two;
        fewer.addresses = vec![net("10.1.0.3/24")];
        // Another agent: nothing is known but the kernel's marks.
        all_up(&Guest::new().converge(&spec(2, vec![fewer])));
        let left = ip("addr show eth0");
        assert!(
            !left.contains("10.0.0.2/24") && left.contains("10.0.0.77/24"),
            "{left}"
        );
        assert!(left.contains("state DOWN"), "{left}");
        let kept = ip("addr show eth1");
        assert!(
            kept.contains("10.1.0.3/24") && kept.contains("10.5.0.77/24"),
            "{kept}"
        );
        assert!(
            !kept.contains("10.1.0.2/24") && !kept.contains("fd01"),
            "{kept}"
        );
        let routes = ip("route show");
        assert!(
            routes.contains("172.20.0.0/16 via 10.1.0.1 dev eth1"),
            "{routes}"
        );
        assert!(!routes.contains("default"), "{routes}");
    });
}

#[test]
fn two_nics_swap_names_and_addresses() {
    inside(|| {
        veth("ens3", 1);
        veth("ens4", 2);
        let mut guest = Guest::new();
        let before = vec![
            interface("eth0", 1, &["10.0.0.2/24", "fd00::2/64"]),
            interface("eth1", 2, &["10.1.0.2/24"]),
        ];
        all_up(&guest.converge(&spec(1, before)));
        let after = vec![
            interface("eth0", 2, &["10.0.0.2/24", "fd00::2/64"]),
            interface("eth1", 1, &["10.1.0.2/24"]),
        ];
        let after = spec(2, after);
        all_up(&guest.converge(&after));
        assert!(ip("link show eth0").contains("02:00:00:00:00:02"));
        assert!(ip("addr show eth0").contains("10.0.0.2/24"));
        assert!(!ip("addr show eth1").contains("10.0.0.2/24"));
        assert!(!guest.changes_anything(&after));
    });
}

#[test]
fn a_nic_that_comes_later_is_waited_for_and_one_that_goes_is_no_error() {
    inside(|| {
        veth("ens3", 1);
        let mut guest = Guest::new();
        let wanted = spec(
            1,
            vec![
                interface("eth0", 1, &["10.0.0.2/24"]),
                interface("eth1", 2, &["10.1.0.2/24"]),
            ],
        );
        let applied = guest.converge(&wanted);
        assert_eq!(applied.interfaces[0].state, InterfaceState::Up);
        assert_eq!(applied.interfaces[1].state, InterfaceState::Waiting);
        guest.converger.link_events();
        veth("ens4", 2);
        all_up(&guest.converge(&wanted));
        let events = guest.converger.link_events();
        let told: Vec<_> = events.iter().map(|e| (e.name.as_str(), e.change)).collect();
        assert!(told.contains(&("eth1", LinkChange::Appeared)), "{told:?}");
        assert!(told.contains(&("eth1", LinkChange::Up)), "{told:?}");
        ip("link del eth0");
        let applied = guest.converge(&wanted);
        assert_eq!(applied.interfaces[0].state, InterfaceState::Waiting);
        assert_eq!(applied.failures, []);
    });
}

#[test]
fn what_the_kernel_refuses_is_told_with_its_errno_and_the_rest_is_done() {
    inside(|| {
        veth("ens3", 1);
        veth("ens4", 2);
        ip("link add blocked type veth peer name far-blocked");
        let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
        // The foreign route has the destination and metric that this one needs.
        one.addresses.push(net("fd00::2/64"));
        one.routes = vec![route("2001:db8::/32", "fd00::1")];
        ip("link set blocked up");
        ip("-6 route add 2001:db8::/32 dev blocked metric 1024");
        let two = interface("eth1", 2, &["10.1.0.2/24"]);
        let three = interface("blocked", 3, &[]);
        veth("ens5", 3);
        let wanted = spec(1, vec![one, two, three]);
        let mut guest = Guest::new();
        let applied = guest.converge(&wanted);
        let InterfaceState::Failed(route) = &applied.interfaces[0].state else {
            panic!("{:?}", applied.interfaces[0]);
        };
        assert_eq!(route.errno, libc::EEXIST);
        assert!(
            route
                .action
                .starts_with("add route to 2001:db8::/32 via fd00::1")
        );
        assert_eq!(applied.interfaces[1].state, InterfaceState::Up);
        let InterfaceState::Failed(name) = &applied.interfaces[2].state else {
            panic!("{:?}", applied.interfaces[2]);
        };
        assert_eq!(name.errno, libc::EEXIST);
        assert!(ip("addr show eth0").contains("10.0.0.2/24"));
        // It is not tried again at every event, but after a while.
        assert!(!guest.changes_anything(&wanted));
        assert!(guest.converger.retry().is_some());
        ip("-6 route del 2001:db8::/32 dev blocked");
        let later = Instant::now() + Duration::from_secs(2);
        let converging = guest.converger.converge(&wanted, later, true, || {});
        let applied = guest.runtime.block_on(converging).unwrap();
        assert_eq!(applied.interfaces[0].state, InterfaceState::Up);
    });
}

#[test]
fn a_foreign_default_route_stays_behind_the_agents() {
    inside(|| {
        veth("ens3", 1);
        ip("link set ens3 up");
        ip("addr add 10.0.0.99/24 dev ens3");
        ip("link set ens3 down");
        let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
        all_up(&Guest::new().converge(&spec(1, vec![one.clone()])));
        ip("route add default via 10.0.0.254");
        one.routes = vec![route("0.0.0.0/0", "10.0.0.1")];
        all_up(&Guest::new().converge(&spec(2, vec![one])));
        let routes = ip("route show default");
        let lines: Vec<&str> = routes.lines().collect();
        assert!(
            lines[0].contains("10.0.0.1 ") && lines[1].contains("10.0.0.254"),
            "{routes}"
        );
    });
}

#[test]
fn the_first_address_of_a_subnet_goes_without_the_others() {
    inside(|| {
        veth("eth0", 1);
        let mut guest = Guest::new();
        let first = spec(1, vec![interface("eth0", 1, &["10.0.0.2/24"])]);
        all_up(&guest.converge(&first));
        ip("addr add 10.0.0.77/24 dev eth0");
        all_up(&guest.converge(&spec(2, vec![interface("eth0", 1, &["10.1.0.2/24"])])));
        let kept = ip("addr show eth0");
        assert!(
            kept.contains("10.0.0.77/24") && !kept.contains("10.0.0.2/24"),
            "{kept}"
        );
    });
}

#[test]
fn files_are_written_with_the_network() {
    inside(|| {
        let mut guest = Guest::new();
        let mut parts = namespace::parts(1, Vec::new());
        parts.hostname = Some("web".parse().unwrap());
        all_up(&guest.converge(&parts.try_into().unwrap()));
        let hostname = std::fs::read_to_string(guest.root.path().join("etc/hostname")).unwrap();
        assert_eq!(hostname, "web\n");
    });
}

#[test]
fn an_unknown_pci_location_is_waited_for() {
    inside(|| {
        veth("ens3", 1);
        let mut one = interface("eth0", 1, &[]);
        one.nic = NicMatch::PciPath("1f.7".parse().unwrap());
        let applied = Guest::new().converge(&spec(1, vec![one]));
        assert_eq!(applied.interfaces[0].state, InterfaceState::Waiting);
    });
}

#[test]
fn observing_tells_whose_an_address_is() {
    inside(|| {
        veth("ens3", 1);
        all_up(&Guest::new().converge(&spec(1, vec![interface("eth0", 1, &["10.0.0.2/24"])])));
        ip("addr add 10.0.0.3/24 dev eth0");
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        let seen = runtime.block_on(async {
            let mut netlink = Netlink::open().unwrap();
            let remembered = Default::default();
            observe(&mut netlink, &Sysfs::default(), &remembered).await
        });
        let seen = seen.unwrap();
        let whose = |text: &str| {
            seen.addresses
                .iter()
                .find(|a| a.net == net(text))
                .unwrap()
                .ours
        };
        assert!(whose("10.0.0.2/24") && !whose("10.0.0.3/24"));
        assert!(
            seen.links
                .values()
                .any(|l| l.name == "eth0" && l.marked && l.up && l.carrier)
        );
    });
}

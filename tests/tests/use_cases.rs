//! The four use cases that the project is for, each alone and all at once, on real VMs, with dedicated and with shared
//! bridge networks. The numbers are the source document's.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::net::IpAddr;
use std::time::Duration;

use lab::{Coordinator, Lab, Need, Tether, Topology, Vm, Way, ask, prerequisites};

const READY: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(5);
/// Long enough for an answer that must not come.
const NONE: Duration = Duration::from_secs(1);
const HELLO: &str = "Hello world!\n";

/// A VCH with its four kinds of network.
struct Testbed {
    lab: Lab,
    topology: Topology,
    segment: &'static str,
}

impl Testbed {
    fn create(case: &str, segment: &'static str) -> Self {
        prerequisites::check(&[Need::Agent]).unwrap();
        let lab = Lab::of_vms(&format!("{case}-{segment}")).unwrap();
        let topology = lab.topology().unwrap();
        Self {
            lab,
            topology,
            segment,
        }
    }

    fn coordinator(&self) -> Coordinator<'_> {
        let tables = format!("[bridge]\nsegment = \"{}\"", self.segment);
        Coordinator::start_with(&self.lab, &self.topology.vch, &tables).unwrap()
    }

    /// Begins the VM of a container `name`, which has these options and is on this network.
    fn begin(&self, vch: &Coordinator<'_>, name: &str, options: &str, network: &str) -> Vm {
        let channel = Tether::Port.channel(&self.lab, name);
        vch.vchctl(&format!(
            "container add {name} {options} --channel {channel}"
        ))
        .unwrap();
        vch.vchctl(&format!("container connect {name} {network}"))
            .unwrap();
        vch.vchctl(&format!("container start {name}")).unwrap();
        vch.vm(name, Tether::Port).unwrap().start().unwrap()
    }

    /// Returns the page that an HTTP client outside gets.
    fn get(&self, to: IpAddr, port: u16) -> Option<String> {
        ask(&self.topology.outside, to, Way::Http(port), ANSWER).unwrap()
    }

    fn get_by_vch(&self, port: u16) -> Option<String> {
        self.get(Topology::VCH.into(), port)
    }
}

/// Lets the container serve on these ports.
fn serve(vm: &mut Vm, ports: &[u16]) {
    let hello = format!(
        "mkdir -p /www && printf '{}' >/www/index.html",
        HELLO.escape_debug()
    );
    vm.succeed(&hello).unwrap();
    for port in ports {
        vm.succeed(&format!(
            "httpd -p {port} -h /www && wget -qO- http://127.0.0.1:{port}/"
        ))
        .unwrap();
    }
}

fn addresses(vch: &Coordinator<'_>, name: &str, network: &str) -> Vec<IpAddr> {
    let shown = vch.ask(&format!("container inspect {name}")).unwrap();
    let addresses = shown["endpoints"][network]["addresses"]
        .as_array()
        .unwrap()
        .clone();
    let bare = addresses
        .iter()
        .map(|net| net.as_str().unwrap().split('/').next().unwrap().parse());
    bare.collect::<Result<_, _>>().unwrap()
}

/// `run -d -p 8080:80 my_server_image`: port 80 of the container answers on port 8080 of the VCH.
fn published_port(testbed: &Testbed) {
    let vch = testbed.coordinator();
    let mut server = testbed.begin(&vch, "server", "--publish 8080:80", "bridge");
    server.ready().unwrap();
    serve(&mut server, &[80]);
    vch.ready("server", READY).unwrap();
    assert_eq!(testbed.get_by_vch(8080).as_deref(), Some(HELLO));
    // The container's own address is nobody's outside, and no other port is open.
    assert_eq!(testbed.get_by_vch(80), None);
}

/// Two containers on `my-bridge-network`: `ping server` works.
fn by_name(testbed: &Testbed) {
    let vch = testbed.coordinator();
    vch.vchctl("network create my-bridge-network").unwrap();
    let mut server = testbed.begin(&vch, "server", "", "my-bridge-network");
    let mut client = testbed.begin(&vch, "client", "", "my-bridge-network");
    server.ready().unwrap();
    client.ready().unwrap();
    for name in ["server", "client"] {
        vch.ready(name, READY).unwrap();
    }
    pings(&vch, &mut client);
}

fn pings(vch: &Coordinator<'_>, client: &mut Vm) {
    let addresses = addresses(vch, "server", "my-bridge-network");
    let said = client.succeed("ping -c 3 server").unwrap();
    let pinged = |address: &IpAddr| said.contains(&format!("PING server ({address})"));
    assert!(addresses.iter().any(pinged), "{addresses:?}: {said}");
    assert!(said.contains("3 packets received"), "{said}");
}

/// Both together: by name on the bridge, and through the VCH's external interface, v4 and v6.
fn by_name_and_published(testbed: &Testbed) {
    let vch = testbed.coordinator();
    vch.vchctl("network create my-bridge-network --ipv6")
        .unwrap();
    let publish = "--publish 8080:80 --publish 5000:5000";
    let mut server = testbed.begin(&vch, "server", publish, "my-bridge-network");
    let mut client = testbed.begin(&vch, "client", "", "my-bridge-network");
    server.ready().unwrap();
    client.ready().unwrap();
    serve(&mut server, &[80, 5000]);
    for name in ["server", "client"] {
        vch.ready(name, READY).unwrap();
    }
    assert_eq!(client.succeed("wget -qO- http://server/").unwrap(), HELLO);
    for to in [IpAddr::from(Topology::VCH), IpAddr::from(Topology::VCH6)] {
        for port in [8080, 5000] {
            assert_eq!(testbed.get(to, port).as_deref(), Some(HELLO), "{to} {port}");
        }
        let by_vch = match to {
            IpAddr::V4(v4) => format!("http://{v4}:8080/"),
            IpAddr::V6(v6) => format!("http://[{v6}]:8080/"),
        };
        let said = client.succeed(&format!("wget -qO- {by_vch}")).unwrap();
        assert_eq!(
            said, HELLO,
            "from the same bridge, by the VCH's address {to}"
        );
        let said = server.succeed(&format!("wget -qO- {by_vch}")).unwrap();
        assert_eq!(said, HELLO, "the server itself, by the VCH's address {to}");
    }
}

/// A container on an external network has an address there, routes through that network's gateway and serves directly:
/// port 80, which is opened, and not port 81, on which it listens too.
fn direct(testbed: &Testbed) {
    let vch = testbed.coordinator();
    let mut server = testbed.begin(&vch, "server", "--publish 80", "vic-production");
    server.ready().unwrap();
    serve(&mut server, &[80, 81]);
    vch.ready("server", READY).unwrap();
    let addresses = addresses(&vch, "server", "vic-production");
    assert_eq!(addresses[0], IpAddr::from([208, 91, 3, 2]));
    serves_directly(testbed, &mut server, &addresses);
    let routes = server.succeed("ip route").unwrap();
    assert!(routes.contains("default via 208.91.3.1"), "{routes}");
    server
        .succeed(&format!("ping -c 1 -W 5 {}", Topology::BEYOND))
        .unwrap();

    let refused = vch
        .vchctl("container add other --publish 8080:80 --channel unix")
        .map(|_| {
            vch.vchctl("container connect other vic-production")
                .unwrap_err()
                .to_string()
        });
    let refused = refused.unwrap();
    assert!(
        refused.contains("8080:80") && refused.contains("-p 80"),
        "{refused}"
    );
}

fn serves_directly(testbed: &Testbed, server: &mut Vm, addresses: &[IpAddr]) {
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for address in addresses {
        assert_eq!(
            testbed.get(*address, 80).as_deref(),
            Some(HELLO),
            "{address}"
        );
        let closed = ask(&testbed.topology.outside, *address, Way::Http(81), NONE).unwrap();
        assert_eq!(closed, None, "{address}: port 81 is not opened");
        let url = match address {
            IpAddr::V4(v4) => format!("http://{v4}:81/"),
            IpAddr::V6(v6) => format!("http://[{v6}]:81/"),
        };
        let own = server.succeed(&format!("wget -qO- {url}")).unwrap();
        assert_eq!(own, HELLO, "{address}: port 81 is listened on");
    }
}

fn all_at_once(testbed: &Testbed) {
    let vch = testbed.coordinator();
    vch.vchctl("network create my-bridge-network --ipv6")
        .unwrap();
    let mut web = testbed.begin(&vch, "web", "--publish 8080:80", "bridge");
    let mut server = testbed.begin(&vch, "server", "--publish 5000:5000", "my-bridge-network");
    let mut client = testbed.begin(&vch, "client", "", "my-bridge-network");
    let mut shop = testbed.begin(&vch, "shop", "--publish 80:80", "vic-production");
    let mut desk = testbed.begin(&vch, "desk", "--expose 80", "default-external");
    for vm in [&mut web, &mut server, &mut client, &mut shop, &mut desk] {
        vm.ready().unwrap();
    }
    serve(&mut web, &[80]);
    serve(&mut server, &[5000]);
    serve(&mut shop, &[80, 81]);
    serve(&mut desk, &[80, 81]);
    for name in ["web", "server", "client", "shop", "desk"] {
        vch.ready(name, READY).unwrap();
    }
    assert_eq!(testbed.get_by_vch(8080).as_deref(), Some(HELLO));
    pings(&vch, &mut client);
    assert_eq!(
        client.succeed("wget -qO- http://server:5000/").unwrap(),
        HELLO
    );
    assert_eq!(testbed.get_by_vch(5000).as_deref(), Some(HELLO));
    assert_eq!(
        testbed.get(Topology::VCH6.into(), 5000).as_deref(),
        Some(HELLO)
    );
    let of_shop = addresses(&vch, "shop", "vic-production");
    serves_directly(testbed, &mut shop, &of_shop);
    let of_desk = addresses(&vch, "desk", "default-external");
    serves_directly(testbed, &mut desk, &of_desk);
    // All of it stands when the coordinator is killed, and after its next start.
    let mut vch = vch;
    vch.kill().unwrap();
    assert_eq!(testbed.get_by_vch(8080).as_deref(), Some(HELLO));
    vch.restart().unwrap();
    assert_eq!(testbed.get_by_vch(8080).as_deref(), Some(HELLO));
    assert_eq!(testbed.get(of_shop[0], 80).as_deref(), Some(HELLO));
    pings(&vch, &mut client);
}

/// One test a case and segment.
macro_rules! cases {
    ($($name:ident, $case:ident, $segment:literal;)*) => {$(
        #[test]
        fn $name() {
            $case(&Testbed::create(stringify!($case), $segment));
        }
    )*};
}

cases! {
    a_published_port_answers_with_a_dedicated_bridge, published_port, "dedicated";
    a_published_port_answers_with_a_shared_segment, published_port, "shared";
    containers_find_each_other_by_name_on_a_dedicated_bridge, by_name, "dedicated";
    containers_find_each_other_by_name_on_a_shared_segment, by_name, "shared";
    names_and_published_ports_go_together_on_a_dedicated_bridge, by_name_and_published, "dedicated";
    names_and_published_ports_go_together_on_a_shared_segment, by_name_and_published, "shared";
    an_external_container_serves_directly_beside_dedicated_bridges, direct, "dedicated";
    an_external_container_serves_directly_beside_a_shared_segment, direct, "shared";
    all_use_cases_stand_at_once_with_dedicated_bridges, all_at_once, "dedicated";
    all_use_cases_stand_at_once_with_a_shared_segment, all_at_once, "shared";
}

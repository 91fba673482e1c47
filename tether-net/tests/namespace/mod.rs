//! A network namespace for one test, in a thread of its own; it goes when the thread ends.

use ipnet::IpNet;
use nix::sched::{CloneFlags, unshare};
use protocol::spec::{
    Addressing, FirewallLevel, Generation, Incarnation, InterfaceParts, MacAddress, NetSpec,
    NetSpecParts, NicMatch, Route, SpecId,
};
use std::process::Command;

/// Runs a test in a namespace of its own, in which links make up no IPv6 addresses by themselves.
pub fn inside(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET)
            .expect("a network namespace needs CAP_SYS_ADMIN: run the tests as root");
        std::fs::write("/proc/sys/net/ipv6/conf/default/addr_gen_mode", "1")
            .expect("these tests need IPv6 in the kernel");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// `ip` of iproute2, which must succeed; what it says.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .expect("these tests need `ip`: install iproute2");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ip {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A pair of links, the near one named `name` with a MAC address that ends in `last`.
pub fn veth(name: &str, last: u8) {
    let far = format!("far-{name}");
    ip(&format!(
        "link add {name} address {} type veth peer name {far}",
        mac(last)
    ));
    ip(&format!("link set {far} up"));
}

pub fn mac(last: u8) -> MacAddress {
    MacAddress::try_from([2, 0, 0, 0, 0, last]).unwrap()
}

pub fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

pub fn route(destination: &str, gateway: &str) -> Route {
    Route {
        destination: net(destination),
        gateway: Some(gateway.parse().unwrap()),
        metric: 0,
        on_link: false,
        source: None,
    }
}

pub fn interface(name: &str, last: u8, addresses: &[&str]) -> InterfaceParts {
    InterfaceParts {
        nic: NicMatch::Mac(mac(last)),
        mac: mac(last),
        name: name.parse().unwrap(),
        mtu: None,
        addressing: Addressing::Static,
        addresses: addresses.iter().map(|a| net(a)).collect(),
        routes: Vec::new(),
        firewall: FirewallLevel::Open,
    }
}

pub fn parts(generation: u64, interfaces: Vec<InterfaceParts>) -> NetSpecParts {
    NetSpecParts {
        id: SpecId {
            incarnation: Incarnation([7; 16]),
            generation: Generation(generation),
        },
        hostname: None,
        interfaces: interfaces
            .into_iter()
            .map(|i| i.try_into().unwrap())
            .collect(),
        resolver: None,
        hosts: Vec::new(),
        extension: Vec::new(),
    }
}

pub fn spec(generation: u64, interfaces: Vec<InterfaceParts>) -> NetSpec {
    parts(generation, interfaces).try_into().unwrap()
}

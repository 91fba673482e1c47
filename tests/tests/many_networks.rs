//! The networks of a container that runs, by the docker CLI: many of them come and go, and what the container wrote and
//! asked for stays.

use std::time::Duration;

use lab::{Boot, Lab, VmHost, eventually};

const SOON: Duration = Duration::from_secs(30);
/// As many networks as a container can be on.
const MOST: usize = 32;

/// Looks into a container until it says so.
fn says(host: &VmHost<'_>, command: &str, expected: &str) {
    let mut last = String::new();
    let what = format!("{command} says {expected}");
    let so = eventually(SOON, &what, || {
        last = host.run(command).unwrap_or_default();
        last == expected
    });
    so.unwrap_or_else(|error| panic!("{error}: {last:?}"));
}

#[test]
fn a_running_container_is_connected_to_32_networks_and_disconnected_from_them_twice() {
    // The root ports are the same however it began: the long form looks at a VM that booted, too.
    let long = std::env::var_os("VCH_LONG").is_some_and(|value| value == "1");
    let boots = [Boot::Clone, Boot::Cold];
    for boot in boots.into_iter().take(if long { 2 } else { 1 }) {
        let lab = Lab::of_vms("many-networks").unwrap();
        let topology = lab.topology().unwrap();
        let host = VmHost::start(&lab, &topology, boot).unwrap();
        host.import_busybox(&lab).unwrap();
        let run = |line: &str| host.run(line).unwrap();
        for number in 1..=MOST {
            run(&format!("docker network create n{number}"));
        }
        run("docker run -d --name web busybox sleep 100000");
        let links = "docker exec web sh -c 'ls /sys/class/net | grep -c eth'";
        for _round in 0..2 {
            for number in 1..MOST {
                run(&format!("docker network connect n{number} web"));
            }
            says(&host, links, &MOST.to_string());
            let full = host.run(&format!("docker network connect n{MOST} web"));
            let full = full.unwrap_err().to_string();
            assert!(full.contains("32"), "{full}");
            for number in 1..MOST {
                run(&format!("docker network disconnect n{number} web"));
            }
            says(&host, links, "1");
        }
        run("docker rm -f web");
    }
}

#[test]
fn what_a_container_wrote_and_asked_for_outlives_a_change_of_its_networks() {
    let lab = Lab::of_vms("kept-by-agent").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    host.import_busybox(&lab).unwrap();
    let run = |line: &str| host.run(line).unwrap();
    run("docker network create back");
    run(
        "docker run -d --name web --hostname box --domainname d.example --sysctl net.ipv6.conf.eth0.accept_ra=2 \
         busybox sleep 100000",
    );
    assert_eq!(run("docker exec web hostname"), "box");
    assert_eq!(
        run("docker exec web cat /proc/sys/kernel/domainname"),
        "d.example"
    );
    let own = run("docker exec web sh -c 'grep box.d.example /etc/hosts'");
    assert!(own.ends_with("box.d.example box"), "{own}");
    let accepts = "docker exec web cat /proc/sys/net/ipv6/conf/eth0/accept_ra";
    says(&host, accepts, "2");
    run(
        "docker exec web sh -c 'echo 192.0.2.9 mine >>/etc/hosts; echo nameserver 192.0.2.53 >/etc/resolv.conf'",
    );
    run(
        "docker network connect --driver-opt com.docker.network.endpoint.ifname=lan0 \
         --driver-opt com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.log_martians=1 back web",
    );
    says(
        &host,
        "docker exec web cat /proc/sys/net/ipv4/conf/lan0/log_martians",
        "1",
    );
    says(&host, "docker exec web sh -c 'grep -c box /etc/hosts'", "2");
    assert_eq!(
        run("docker exec web sh -c 'tail -n1 /etc/hosts'"),
        "192.0.2.9 mine"
    );
    assert_eq!(
        run("docker exec web cat /etc/resolv.conf"),
        "nameserver 192.0.2.53"
    );
    assert_eq!(run(accepts), "2");
    run("docker rm -f web");
}

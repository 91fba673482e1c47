//! Many containers at once, each a VM: all of them run, each with an address of its own, find one another by name, and
//! leave nothing behind.

use std::collections::BTreeSet;
use std::env;
use std::thread;
use std::time::Duration;

use lab::{Boot, Lab, VmHost, eventually};

/// Set by `make long`.
const LONG: &str = "VCH_LONG";
const MANY: usize = 20;
const SOME: usize = 6;
const SOON: Duration = Duration::from_secs(60);

#[test]
fn many_vms_start_at_once_and_find_one_another() {
    let lab = Lab::of_vms("crowd").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Cold).unwrap();
    host.import_busybox(&lab).unwrap();
    let nothing = host.left().unwrap();
    let many = if env::var_os(LONG).is_some() {
        MANY
    } else {
        SOME
    };
    host.run("docker network create crowd").unwrap();

    thread::scope(|scope| {
        for number in 0..many {
            let host = &host;
            scope.spawn(move || {
                let command = format!(
                    "docker run -d --name c{number} --net crowd busybox sh -c 'echo {number}; exec sleep 1000'"
                );
                host.run(&command).unwrap();
            });
        }
    });
    assert_eq!(host.run("docker ps -q | wc -l").unwrap(), many.to_string());
    let mut addresses = BTreeSet::new();
    for number in 0..many {
        // It runs before it has said something.
        let logs = format!("docker logs c{number}");
        let told = || host.run(&logs).is_ok_and(|said| said == number.to_string());
        eventually(SOON, &logs, told).unwrap();
        let template = "{{.NetworkSettings.Networks.crowd.IPAddress}}";
        let address = host.run(&format!("docker inspect -f '{template}' c{number}"));
        addresses.insert(address.unwrap());
        // Each finds the next one.
        let next = (number + 1) % many;
        let ping = format!("docker exec c{number} ping -c 1 c{next}");
        let said = host.run(&ping).unwrap();
        assert!(said.contains("1 packets received"), "{said}");
    }
    assert_eq!(addresses.len(), many);

    host.run("docker rm -f $(docker ps -aq)").unwrap();
    host.run("docker network rm crowd").unwrap();
    eventually(SOON, "nothing is left", || host.left().unwrap() == nothing)
        .unwrap_or_else(|error| panic!("{error}: {} against {nothing}", host.left().unwrap()));
}

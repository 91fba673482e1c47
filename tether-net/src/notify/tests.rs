use super::{Notify, connected, message};
use protocol::message::{Failure, InterfaceReport, InterfaceState};
use protocol::session::agent::Applied;
use protocol::spec::{Generation, Incarnation, MacAddress, SpecId};
use std::os::unix::net::UnixDatagram;

fn applied(states: &[InterfaceState]) -> Applied {
    let interfaces = states.iter().enumerate();
    Applied {
        spec: SpecId {
            incarnation: Incarnation([1; 16]),
            generation: Generation(1),
        },
        interfaces: interfaces
            .map(|(number, state)| InterfaceReport {
                name: format!("eth{number}").parse().unwrap(),
                mac: "02:00:00:00:00:01".parse::<MacAddress>().unwrap(),
                state: state.clone(),
                mtu: 1500,
                addresses: Vec::new(),
                routes: Vec::new(),
            })
            .collect(),
        failures: Vec::new(),
    }
}

#[test]
fn it_is_ready_when_every_interface_is_up() {
    let failed = InterfaceState::Failed(Failure {
        action: "add address 10.0.0.2/16 to eth1".to_owned(),
        errno: 1,
    });
    let up = InterfaceState::Up;
    let said = |states: &[InterfaceState]| message(&applied(states), false).unwrap();
    assert!(said(&[]).starts_with("READY=1\n"), "no network to wait for");
    assert!(said(&[up.clone(), up.clone()]).starts_with("READY=1\n"));
    assert_eq!(
        said(&[up.clone(), failed]),
        "STATUS=eth1: add address 10.0.0.2/16 to eth1"
    );
    assert_eq!(
        said(&[InterfaceState::Waiting]),
        "STATUS=eth0: its NIC is not there"
    );
    assert_eq!(message(&applied(&[up]), true), None, "said already");
}

#[test]
fn whoever_started_it_hears_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let heard = UnixDatagram::bind(&path).unwrap();
    heard.set_nonblocking(true).unwrap();
    let mut notify = Notify {
        socket: connected(path.as_os_str()),
        ready: false,
    };
    for states in [
        &[InterfaceState::Waiting][..],
        &[InterfaceState::Up],
        &[InterfaceState::Up],
    ] {
        notify.tell(&applied(states));
    }
    let mut buffer = [0; 256];
    let mut said = Vec::new();
    while let Ok(count) = heard.recv(&mut buffer) {
        said.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
    }
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[1].starts_with("READY=1"), "{said:?}");
    assert!(connected(dir.path().join("nobody").as_os_str()).is_none());
}

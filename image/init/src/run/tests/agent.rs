//! The agent beside the loop: held, begun, awaited, and started again.

use super::booted::{MAIN, shell, start};
use crate::{
    cgroup,
    guest_lab::{Disks, Shim, eventually, in_guest},
    run::serve,
    start_error::StartError,
};
use protocol::process::{Fault, FromInit, Phase, Start, ToInit, VERSION};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::Path,
};

/// An agent that waits to begin, says by files how far it is, and lives until it is told to end.
const AGENT: &str = "#!/bin/sh\necho $$ > /run/agent\nread line && echo begun > /run/begun\n\
                     read line; echo rooted > /run/rooted\nexec sleep 1000\n";

fn install_agent(script: &str) {
    fs::write("/sbin/tether-net", script).unwrap();
    fs::set_permissions("/sbin/tether-net", fs::Permissions::from_mode(0o755)).unwrap();
}

/// Says something as the agent does.
fn notify(text: &str) {
    let socket = UnixDatagram::unbound().unwrap();
    socket.send_to(text.as_bytes(), "/run/notify").unwrap();
}

fn appears(path: &str) {
    eventually(path, || Path::new(path).exists().then_some(()));
}

#[test]
fn the_agent_is_held_begins_with_the_life_and_is_awaited() {
    in_guest(|| {
        install_agent(AGENT);
        let _disks = Disks::new();
        cgroup::make().unwrap();
        let mut shim = Shim::new(|line| serve(line, 7));
        appears("/run/agent");
        notify("STATUS=held\n");
        // A template is saved now.
        assert_eq!(shim.next(), FromInit::Ready { version: VERSION });
        shim.hello();
        appears("/run/begun");
        assert!(!Path::new("/run/rooted").exists());
        shim.start(&start(shell("echo up")));
        appears("/run/rooted");
        shim.until(|message| match message {
            FromInit::Phase { phase, .. } => (*phase == Phase::Agent).then_some(()),
            _ => None,
        });
        // The network is awaited: the loop answers, the process does not run.
        shim.send(&ToInit::List { request: 1 });
        shim.until(|message| match message {
            FromInit::Listed { .. } => Some(()),
            FromInit::Started { .. } => panic!("there is no network"),
            _ => None,
        });
        notify("READY=1\nSTATUS=spec 1\n");
        let (stdout, _, _) = shim.ended(MAIN);
        assert_eq!(stdout, "up\n");
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn an_agent_that_ends_is_started_again() {
    in_guest(|| {
        install_agent("#!/bin/sh\necho $$ >> /run/agents\n");
        cgroup::make().unwrap();
        let shim = Shim::new(|line| serve(line, 7));
        eventually("a second agent", || {
            let agents = fs::read_to_string("/run/agents").unwrap_or_default();
            (agents.lines().count() >= 2).then_some(())
        });
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn a_network_that_does_not_come_is_told_with_the_agent_s_last_word() {
    in_guest(|| {
        install_agent(AGENT);
        let _disks = Disks::new();
        cgroup::make().unwrap();
        let mut shim = Shim::new(|line| serve(line, 7));
        appears("/run/agent");
        notify("STATUS=held");
        assert_eq!(shim.next(), FromInit::Ready { version: VERSION });
        shim.hello();
        appears("/run/begun");
        notify("STATUS=no carrier on eth0");
        shim.start(&Start {
            network_deadline_ms: 200,
            ..start(shell("echo up"))
        });
        let StartError { fault, reason } = shim.not_started(MAIN);
        assert_eq!(fault, Fault::Network);
        let expected =
            "the network was not there after 200 ms: the agent's last word: no carrier on eth0";
        assert_eq!(reason, expected);
        assert_eq!(shim.power_off(), 0);
    });
}

//! The real program over a Unix socket, against a coordinator made of the protocol's own machine.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod coordinator;
mod elsewhere;
mod namespace;

use coordinator::Coordinator;
use elsewhere::Elsewhere;
use namespace::{inside, interface, ip, mac, net, parts, route, spec, veth};
use protocol::message::{InterfaceState, LinkChange};
use protocol::spec::{HostEntry, Mtu, NicMatch, Resolver};
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program, which is killed with its test.
struct Program {
    child: Child,
    root: tempfile::TempDir,
}

impl Program {
    fn start(coordinator: &Coordinator) -> Self {
        Self::start_with(coordinator, |command| command.stdin(Stdio::null()))
    }

    fn start_with(
        coordinator: &Coordinator,
        more: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let root = tempfile::tempdir().unwrap();
        let channel = format!("unix:{}", coordinator.socket().display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_tether-net"));
        command
            .args(["--channel", &channel, "--verbose", "--root"])
            .arg(root.path());
        let child = more(&mut command).spawn().unwrap();
        Self { child, root }
    }

    fn signal(&mut self, signal: nix::sys::signal::Signal) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < limit, "it goes on after {signal}");
            std::thread::yield_now();
        }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.root.path().join("etc").join(name)).unwrap()
    }

    fn resident_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn up(report: &protocol::message::Report) -> bool {
    let states = report.interfaces.iter().map(|i| &i.state);
    states.into_iter().all(|state| *state == InterfaceState::Up)
}

#[test]
fn a_spec_becomes_the_network_and_is_reported() {
    inside(|| {
        veth("ens3", 1);
        let mut coordinator = Coordinator::listen();
        let program = Program::start(&coordinator);
        let mut one = interface("eth0", 1, &["10.0.0.2/24", "fd00::2/64"]);
        one.mac = mac(9);
        one.mtu = Some(Mtu::try_from(1400).unwrap());
        one.routes = vec![route("0.0.0.0/0", "10.0.0.1")];
        let mut wanted = parts(1, vec![one]);
        wanted.hostname = Some("web".parse().unwrap());
        let servers = vec!["10.0.0.1".parse().unwrap()];
        wanted.resolver = Some(Resolver::new(servers, Vec::new(), Vec::new()).unwrap());
        wanted.hosts = vec![HostEntry {
            address: "10.0.0.2".parse().unwrap(),
            name: "web".parse().unwrap(),
        }];
        let report = coordinator.converge(wanted.try_into().unwrap(), up);
        assert_eq!(report.failures, []);
        assert_eq!(report.interfaces[0].mtu, 1400);
        assert!(ip("addr show eth0").contains("10.0.0.2/24"));
        assert_eq!(program.file("hostname"), "web\n");
        assert!(program.file("hosts").contains("\n10.0.0.2\tweb\n"));
        assert!(
            program
                .file("resolv.conf")
                .contains("nameserver 10.0.0.1\n")
        );
    });
}

#[test]
fn one_that_is_held_begins_when_it_is_told_and_writes_files_when_their_root_is_there() {
    inside(|| {
        veth("ens3", 1);
        let coordinator = Coordinator::listen();
        let dir = tempfile::tempdir().unwrap();
        let notify = dir.path().join("notify");
        let told = UnixDatagram::bind(&notify).unwrap();
        told.set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let said = || {
            let mut buffer = [0; 256];
            let count = told.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..count].to_vec()).unwrap()
        };
        let mut program = Program::start_with(&coordinator, |command| {
            let command = command.arg("--hold").stdin(Stdio::piped());
            command.env("NOTIFY_SOCKET", &notify)
        });
        assert_eq!(said(), "STATUS=held");
        let mut wanted = parts(1, vec![interface("eth0", 1, &["10.0.0.2/24"])]);
        wanted.hostname = Some("web".parse().unwrap());
        let hostname = program.root.path().join("etc/hostname");
        let mut word = program.child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            let mut coordinator = coordinator;
            let wanted = wanted.try_into().unwrap();
            let reported = scope.spawn(move || coordinator.converge(wanted, up));
            assert!(!ip("addr show").contains("10.0.0.2/24"), "it has begun");
            word.write_all(b"\n").unwrap();
            let start = Instant::now();
            while !ip("addr show").contains("10.0.0.2/24") {
                assert!(start.elapsed() < Duration::from_secs(10));
            }
            assert!(!hostname.exists(), "its root is not there yet");
            drop(word);
            assert_eq!(reported.join().unwrap().failures, []);
        });
        assert!(said().starts_with("READY=1\n"));
        assert_eq!(program.file("hostname"), "web\n");
    });
}

#[test]
fn an_address_removed_by_hand_is_back_at_once() {
    inside(|| {
        veth("ens3", 1);
        let mut coordinator = Coordinator::listen();
        let _program = Program::start(&coordinator);
        coordinator.converge(spec(1, vec![interface("eth0", 1, &["10.0.0.2/24"])]), up);
        ip("addr del 10.0.0.2/24 dev eth0");
        let start = Instant::now();
        while !ip("addr show eth0").contains("10.0.0.2/24") {
            assert!(
                start.elapsed() < Duration::from_secs(2),
                "it did not come back"
            );
        }
        println!("back after {:?}", start.elapsed());
    });
}

#[test]
fn a_nic_that_is_plugged_in_later_is_configured_and_told_of() {
    inside(|| {
        let mut coordinator = Coordinator::listen();
        let _program = Program::start(&coordinator);
        let wanted = spec(1, vec![interface("eth0", 5, &["10.0.0.2/24"])]);
        let report = coordinator.converge(wanted, |_| true);
        assert_eq!(report.interfaces[0].state, InterfaceState::Waiting);
        let start = Instant::now();
        veth("ens9", 5);
        coordinator.wait_for_report(up);
        println!("configured {:?} after the pair was made", start.elapsed());
        coordinator.wait_for_link("eth0", LinkChange::Appeared);
        ip("link del eth0");
        let report = coordinator.wait_for_report(|report| !up(report));
        assert_eq!(report.interfaces[0].state, InterfaceState::Waiting);
        coordinator.wait_for_link("eth0", LinkChange::Gone);
    });
}

#[test]
fn a_coordinator_that_comes_back_finds_the_spec_held_and_nothing_changes() {
    inside(|| {
        veth("ens3", 1);
        let wanted = spec(3, vec![interface("eth0", 1, &["10.0.0.2/24"])]);
        let mut coordinator = Coordinator::listen();
        let _program = Program::start(&coordinator);
        coordinator.converge(wanted.clone(), up);
        let monitor = Monitor::start();
        let mut coordinator = coordinator.restart();
        coordinator.converge(wanted.clone(), up);
        assert_eq!(coordinator.hello().held, Some(wanted.id()));
        assert_eq!(monitor.changes(), 0);
    });
}

#[test]
fn sigterm_ends_it_well_and_leaves_the_network_which_the_next_one_takes_over() {
    inside(|| {
        veth("ens3", 1);
        let mut coordinator = Coordinator::listen();
        let mut program = Program::start(&coordinator);
        let both = ["10.0.0.2/24", "10.0.0.3/24"];
        coordinator.converge(spec(1, vec![interface("eth0", 1, &both)]), up);
        ip("addr add 10.0.0.77/24 dev eth0");
        assert!(program.signal(nix::sys::signal::Signal::SIGTERM).success());
        assert!(ip("addr show eth0").contains("10.0.0.2/24"));
        let _next = Program::start(&coordinator);
        let fewer = spec(2, vec![interface("eth0", 1, &["10.0.0.2/24"])]);
        let report = coordinator.converge(fewer, up);
        let addresses = &report.interfaces[0].addresses;
        assert!(addresses.contains(&net("10.0.0.77/24")));
        assert!(!addresses.contains(&net("10.0.0.3/24")));
    });
}

#[test]
fn the_newest_of_many_specs_wins() {
    inside(|| {
        veth("ens3", 1);
        let mut coordinator = Coordinator::listen();
        let _program = Program::start(&coordinator);
        for generation in 1..50 {
            let address = format!("10.0.0.{}/24", generation + 1);
            coordinator.desire(spec(generation, vec![interface("eth0", 1, &[&address])]));
        }
        let last = spec(50, vec![interface("eth0", 1, &["10.0.0.200/24"])]);
        let report = coordinator.converge(last, up);
        assert_eq!(report.interfaces[0].addresses, [net("10.0.0.200/24")]);
    });
}

#[test]
fn what_it_can_not_do_is_reported_and_not_begun() {
    inside(|| {
        veth("ens3", 1);
        let mut coordinator = Coordinator::listen();
        let program = Program::start(&coordinator);
        let mut one = interface("eth0", 1, &["10.0.0.2/24"]);
        one.addressing = protocol::spec::Addressing::Dhcp;
        let mut two = interface("eth1", 2, &[]);
        two.nic = NicMatch::PciSlot(7);
        let report = coordinator.converge(spec(1, vec![one, two]), |_| true);
        let unsupported = InterfaceState::Unsupported(protocol::message::Capability::Dhcp);
        assert_eq!(report.interfaces[0].state, unsupported);
        assert_eq!(report.interfaces[1].state, InterfaceState::Waiting);
        assert!(ip("link show ens3").contains("state DOWN"));
        println!("{} KiB resident", program.resident_kib());
    });
}

#[test]
fn a_peer_learns_at_once_where_an_address_is() {
    inside(|| {
        veth("ens3", 1);
        let peer = Elsewhere::make();
        peer.take("far-ens3");
        peer.ip("addr add 10.0.0.1/24 dev far-ens3");
        peer.ip("-6 addr add fd00::1/64 dev far-ens3 nodad");
        // Something stale, as after another container had the address.
        peer.ip("neigh add 10.0.0.2 lladdr 02:00:00:00:00:ee dev far-ens3 nud stale");
        peer.ip("-6 neigh add fd00::2 lladdr 02:00:00:00:00:ee dev far-ens3 nud stale");
        let mut coordinator = Coordinator::listen();
        let _program = Program::start(&coordinator);
        let wanted = interface("eth0", 1, &["10.0.0.2/24", "fd00::2/64"]);
        coordinator.converge(spec(1, vec![wanted]), up);
        let start = Instant::now();
        let knows = |address: &str| {
            let entry = peer.ip(&format!("neigh show {address} dev far-ens3"));
            entry.contains("lladdr 02:00:00:00:00:01")
        };
        while !knows("10.0.0.2") || !knows("fd00::2") {
            let passed = start.elapsed();
            assert!(passed < Duration::from_secs(2), "{}", peer.ip("neigh"));
        }
    });
}

/// Counts the kernel's messages of change.
struct Monitor {
    watch: tether_net::watch::Watch,
    _runtime: tokio::runtime::Runtime,
}

impl Monitor {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        let watch = {
            let _inside = runtime.enter();
            tether_net::watch::Watch::open().unwrap()
        };
        Self {
            watch,
            _runtime: runtime,
        }
    }

    fn changes(&self) -> u32 {
        u32::from(self.watch.forget())
    }
}

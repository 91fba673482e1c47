//! Gateway addresses that come late or go, in a network namespace that ends with its thread.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use domain::base::iana::Rtype;
use nix::sched::{CloneFlags, unshare};

use super::support::{NET, PATIENCE, ip, name, names, query};
use crate::{Config, Server};

/// Runs a test in a new namespace. Needs root and `ip`.
fn in_a_namespace(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run the tests as root");
            set("link set lo up");
            test();
        });
        let ended = thread.join();
        assert!(ended.is_ok(), "the test in the namespace failed");
    });
}

/// Runs `ip` with these arguments, in the namespace of the calling thread.
fn set(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .expect("`ip` is missing: apt-get install iproute2");
    assert!(status.success(), "ip {arguments}");
}

/// Asks until there is an answer.
fn is_answered(at: SocketAddr, within: Duration) -> bool {
    let from = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let until = Instant::now() + within;
    while Instant::now() < until {
        let socket = UdpSocket::bind(from).unwrap();
        let soon = Some(Duration::from_millis(100));
        socket.set_read_timeout(soon).unwrap();
        // Connected: it hears only what leaves from the address that was asked.
        if socket.connect(at).is_ok()
            && socket.send(&query(1, "web", Rtype::A)).is_ok()
            && socket.recv(&mut [0; 512]).is_ok()
        {
            return true;
        }
    }
    false
}

#[test]
fn addresses_that_come_late_or_go_and_come_back_are_served() {
    in_a_namespace(|| {
        let names = names();
        names.publish(NET, &name("web"), ip("10.77.0.2"), None);
        // Port 53 itself: the namespace is ours alone.
        let server = Server::spawn(&Config::default(), &names).unwrap();
        let v4 = server.listen(NET, ip("10.77.0.1")).unwrap();
        let v6 = server.listen(NET, ip("fd00:77::1")).unwrap();
        assert_eq!((v4.port(), v6.port()), (53, 53));
        assert!(!is_answered(v4, Duration::from_millis(100)));

        set("link add gateway type veth peer name container");
        set("link set gateway up");
        set("link set container up");
        set("address add 10.77.0.1/24 dev gateway");
        // Duplicate detection runs: the address is tentative for a second or two.
        set("address add fd00:77::1/64 dev gateway");
        let late = server.listen(NET, ip("fd00:77::1")).unwrap();
        assert_eq!(late, v6);
        assert!(is_answered(v4, PATIENCE));
        assert!(is_answered(v6, PATIENCE));

        set("address del 10.77.0.1/24 dev gateway");
        assert!(!is_answered(v4, Duration::from_millis(100)));
        set("address add 10.77.0.1/24 dev gateway");
        assert!(is_answered(v4, PATIENCE));
        server.shutdown().unwrap();
    });
}

#[test]
fn a_tentative_address_can_be_listened_on_at_once() {
    in_a_namespace(|| {
        let server = Server::spawn(&Config::default(), &names()).unwrap();
        set("link add gateway type veth peer name container");
        set("link set gateway up");
        set("link set container up");
        set("address add fd00:78::1/64 dev gateway");
        let at = server.listen(NET, ip("fd00:78::1")).unwrap();
        assert!(is_answered(at, PATIENCE));
    });
}

//! All rules of the VCH are flushed: how long its networks are open to one another.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test at its place"
)]

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lab::{Coordinator, Lab, Member, Need, Topology, prerequisites};

const SOON: Duration = Duration::from_secs(15);
const PORT: u16 = 7000;
/// Between two packets: the sender waits so long for an answer that never comes.
const PACE: Duration = Duration::from_millis(1);
/// Packets before the flush, and behind the healing.
const PACKETS: u32 = 200;
/// From the flush until no packet gets through any more: the events of nftables are heard, and the rules
/// written anew. In the kernel it is open until then.
const OPEN: Duration = Duration::from_secs(1);

fn nft(topology: &Topology, words: &str) -> String {
    let mut command = Command::new("nft");
    command.args(words.split_whitespace());
    let output = topology.vch.output(command).unwrap();
    assert!(output.status.success(), "nft {words}");
    String::from_utf8(output.stdout).unwrap()
}

fn address(vch: &Coordinator<'_>, member: &str, network: &str) -> IpAddr {
    let shown = vch.ask(&format!("container inspect {member}")).unwrap();
    let text = shown["endpoints"][network]["addresses"][0]
        .as_str()
        .unwrap();
    text.split('/').next().unwrap().parse().unwrap()
}

fn bound(member: &Member, address: IpAddr) -> UdpSocket {
    let socket = member.namespace().run(|| UdpSocket::bind((address, PORT)));
    socket.unwrap().unwrap()
}

/// Sends numbered packets, and gives those that came, each with its time.
fn send(from: &UdpSocket, to: &UdpSocket, numbers: &mut u32) -> Vec<(u32, Instant)> {
    from.send(&numbers.to_be_bytes()).unwrap();
    *numbers += 1;
    let _nobody_answers = from.recv(&mut [0; 4]);
    let mut came = Vec::new();
    let mut packet = [0; 4];
    while to.recv(&mut packet).is_ok() {
        came.push((u32::from_be_bytes(packet), Instant::now()));
    }
    came
}

#[test]
fn networks_are_apart_again_within_a_second_of_a_flush_of_all_rules() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("flush").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for network in ["one", "two"] {
        vch.vchctl(&format!("network create {network}")).unwrap();
    }
    let attacker = Member::start(&lab, &vch, "attacker", &["one"]).unwrap();
    let victim = Member::start(&lab, &vch, "victim", &["two"]).unwrap();
    for member in [&attacker, &victim] {
        vch.ready(member.name(), SOON).unwrap();
    }
    let target = address(&vch, "victim", "two");
    let from = bound(&attacker, address(&vch, "attacker", "one"));
    from.connect(SocketAddr::new(target, PORT)).unwrap();
    from.set_read_timeout(Some(PACE)).unwrap();
    let to = bound(&victim, target);
    to.set_nonblocking(true).unwrap();

    let mut numbers = 0;
    for _ in 0..PACKETS {
        assert_eq!(send(&from, &to, &mut numbers), []);
    }
    // Packets go on all the while: before the flush, in the gap, and behind the healing.
    let stop = AtomicBool::new(false);
    let (mut through, flushed, healed) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut through = Vec::new();
            while !stop.load(Ordering::SeqCst) {
                through.extend(send(&from, &to, &mut numbers));
            }
            through
        });
        let flushed = Instant::now();
        nft(&topology, "flush ruleset");
        let is_back = || nft(&topology, "list tables").contains("bridge vch");
        let back = lab::eventually(SOON, "the rules come back", is_back);
        let healed = flushed.elapsed();
        stop.store(true, Ordering::SeqCst);
        back.unwrap();
        (sender.join().unwrap(), flushed, healed)
    });
    // What is on its way still arrives; then nothing does.
    for _ in 0..PACKETS {
        through.extend(send(&from, &to, &mut numbers));
    }
    let last = through.last().map(|(_, at)| at.duration_since(flushed));
    eprintln!(
        "{} packets got through, the last after {last:?}; rules back after {healed:?}",
        through.len()
    );
    assert!(
        last.is_none_or(|last| last < OPEN),
        "the last after {last:?}"
    );
    for _ in 0..PACKETS {
        assert_eq!(send(&from, &to, &mut numbers), []);
    }
}

//! Who connects to a container's channel and never says hello.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lab::{Coordinator, Lab, Member, Need, prerequisites};
use protocol::frame;
use protocol::message::SessionNonce;

const SOON: Duration = Duration::from_secs(15);

#[test]
fn who_connects_and_never_says_hello_gives_way_to_the_agent() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("stranger").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    let steady = Member::start(&lab, &vch, "steady", &["web"]).unwrap();
    vch.ready("steady", SOON).unwrap();
    let log = steady.log();
    let mut member = Member::add(&lab, &vch, "member").unwrap();
    member.connect(&vch, "web").unwrap();
    member.begin(&vch).unwrap();

    let mut stranger = UnixStream::connect(member.socket()).unwrap();
    stranger.set_read_timeout(Some(SOON)).unwrap();
    // It is the one that the coordinator probes, says odd things, and then nothing any more.
    assert_ne!(stranger.read(&mut [0; 64]).unwrap(), 0);
    for payload in [&[][..], &[0xff; 40], &[0x55; frame::MAX_PAYLOAD]] {
        let mut line = Vec::new();
        frame::encode(SessionNonce(5), payload, &mut line).unwrap();
        stranger.write_all(&line).unwrap();
    }
    let shown = vch.ask("container inspect member").unwrap();
    assert_eq!(shown["session"]["live"], false, "{shown:#}");

    member.restart_agent().unwrap();
    vch.ready("member", SOON).unwrap();
    let printed = member.ping_by_name("steady").unwrap();
    assert!(printed.contains(" 1 received"), "{printed}");
    let mut rest = Vec::new();
    stranger.read_to_end(&mut rest).unwrap();
    assert_eq!(steady.log(), log, "the other session never ended");
}

//! Objects that another program removes on the VCH are back within two seconds, and connections through them go on.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use lab::{
    Coordinator, Lab, Member, Need, Responder, Topology, Way, ask, ask_again, eventually,
    prerequisites,
};

const SOON: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(3);
const HEALED: Duration = Duration::from_secs(2);
const PORT: u16 = 7000;

/// A VCH with a published port, a shared and a dedicated network, and an external container.
struct Testbed<'a> {
    topology: &'a Topology,
    vch: &'a Coordinator<'a>,
}

impl Testbed<'_> {
    fn nft(&self, words: &str) -> String {
        let mut command = Command::new("nft");
        command.args(words.split(' '));
        let output = self.topology.vch.output(command).unwrap();
        assert!(output.status.success(), "nft {words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does it, and waits until what `holds` says is so again; the time is that of the whole.
    fn heals(&self, what: &str, undo: impl FnOnce(), mut holds: impl FnMut() -> bool) {
        assert!(holds(), "{what}: before");
        undo();
        let began = Instant::now();
        eventually(SOON, what, &mut holds)
            .unwrap_or_else(|error| panic!("{error}: {}", self.vch.log()));
        let took = began.elapsed();
        println!("{what}: back after {took:.2?}");
        assert!(took <= HEALED, "{what}: {took:?}");
    }

    fn ip(&self, words: &str) -> String {
        self.topology.vch.ip(words).unwrap()
    }

    fn port_answers(&self) -> bool {
        let vch = Topology::VCH.into();
        ask(
            &self.topology.outside,
            vch,
            Way::Tcp(8080),
            Duration::from_millis(200),
        )
        .unwrap()
        .is_some()
    }
}

#[test]
fn what_others_take_away_is_back_within_two_seconds() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("healing").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create all --segment shared").unwrap();
    let mut web = Member::add(&lab, &vch, "web -p 8080:7000").unwrap();
    web.connect(&vch, "web").unwrap();
    web.begin(&vch).unwrap();
    web.restart_agent().unwrap();
    let other = Member::start(&lab, &vch, "other", &["all"]).unwrap();
    let direct = Member::start(&lab, &vch, "direct", &["vic-production"]).unwrap();
    for member in [&web, &other, &direct] {
        vch.ready(member.name(), SOON).unwrap();
    }
    let _responder = Responder::start(web.namespace(), "web", PORT).unwrap();
    let testbed = Testbed {
        topology: &topology,
        vch: &vch,
    };
    rules(&testbed);
    links(&testbed, &[&web, &other, &direct]);
    taps(&testbed);
    let status = vch.ask("status").unwrap();
    assert_eq!(
        status["unsettled"].as_array().unwrap().len(),
        0,
        "{status:#}"
    );
}

fn rules(testbed: &Testbed<'_>) {
    let to = SocketAddr::new(Topology::VCH.into(), 8080);
    let opened = testbed
        .topology
        .outside
        .run(|| TcpStream::connect_timeout(&to, ANSWER));
    let mut lasting = opened.unwrap().unwrap();
    lasting.set_read_timeout(Some(ANSWER)).unwrap();
    assert!(ask_again(&mut lasting).is_some());
    let listed = || testbed.nft("-s list ruleset");
    // Tables and elements are listed in the order in which the kernel has them; flows that packets fill in are no part
    // of what is decided.
    let whole = || {
        let text = listed();
        let by_packets = |line: &str| {
            let counted = line.contains("ct count over") && !line.contains("add @");
            counted || line.contains("expires")
        };
        let lines = text.lines().filter(|line| !by_packets(line));
        let words = lines.flat_map(|line| line.split([' ', ',', '\t']));
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        words.sort_unstable();
        words
    };
    let before = whole();
    for (what, words) in [
        ("all rules flushed", "flush ruleset"),
        ("a table deleted", "delete table bridge vch"),
        ("a chain flushed", "flush chain inet vch forward"),
        ("a map flushed", "flush map inet vch published_default4"),
        (
            "a foreign rule in our chain",
            "insert rule inet vch forward drop",
        ),
    ] {
        let changed = || {
            testbed.nft(words);
        };
        testbed.heals(what, changed, || {
            whole() == before && testbed.port_answers()
        });
        assert!(
            ask_again(&mut lasting).is_some(),
            "{what}: an established flow"
        );
    }
}

fn links(testbed: &Testbed<'_>, members: &[&Member; 3]) {
    let [web, other, direct] = members;
    let link = |network: &str| {
        let shown = testbed
            .vch
            .ask(&format!("network inspect {network}"))
            .unwrap();
        shown["link"].as_str().unwrap().to_owned()
    };
    let gateway = |network: &str| testbed.vch.gateways(network).unwrap()[0];
    // An echo that is lost costs a second: what is printed is that at least.
    let reaches = |member: &Member, to: IpAddr| {
        ask(member.namespace(), to, Way::Echo, Duration::from_secs(1))
            .unwrap()
            .is_some()
    };
    for (network, member) in [("web", web), ("all", other)] {
        let (link, gateway) = (link(network), gateway(network));
        let up = || reaches(member, gateway);
        let ways = [
            ("bridge deleted", format!("link delete {link}")),
            (
                "gateway's address removed",
                format!("address flush dev {link} scope global"),
            ),
            ("bridge set down", format!("link set {link} down")),
        ];
        for (what, words) in ways {
            let changed = || {
                testbed.ip(&words);
            };
            testbed.heals(&format!("{network}: {what}"), changed, up);
        }
    }
    assert!(testbed.port_answers());
    for (member, network, to) in [
        (web, "web", gateway("web")),
        (
            direct,
            "vic-production",
            Topology::PRODUCTION_GATEWAY.into(),
        ),
    ] {
        let shown = testbed
            .vch
            .ask(&format!("container inspect {}", member.name()))
            .unwrap();
        let port = shown["endpoints"][network]["link"]
            .as_str()
            .unwrap()
            .to_owned();
        for (what, words) in [
            (
                "port taken off its bridge",
                format!("link set {port} nomaster"),
            ),
            ("port set down", format!("link set {port} down")),
        ] {
            let changed = || {
                testbed.ip(&words);
            };
            testbed.heals(&format!("{network}: {what}"), changed, || {
                reaches(member, to)
            });
        }
    }
}

fn taps(testbed: &Testbed<'_>) {
    testbed.vch.vchctl("container add vm").unwrap();
    for network in ["web", "all", "vic-production"] {
        let shown = testbed
            .vch
            .ask(&format!("container connect vm {network}"))
            .unwrap();
        let tap = shown["link"].as_str().unwrap().to_owned();
        let network = testbed
            .vch
            .ask(&format!("network inspect {network}"))
            .unwrap();
        let bridge = network["link"].as_str().unwrap();
        let stands = || {
            let listed = testbed.ip("-o link show");
            let line = listed
                .lines()
                .find(|line| line.contains(&format!(": {tap}:")));
            line.is_some_and(|line| line.contains(&format!("master {bridge} ")))
        };
        let changed = || {
            testbed.ip(&format!("link delete {tap}"));
        };
        testbed.heals(&format!("tap on {bridge} deleted"), changed, stands);
    }
}

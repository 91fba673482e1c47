//! Rates of endpoints through a whole coordinator: given, changed while the container runs, kept, mended, taken away.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::process::Command;
use std::time::Duration;

use lab::{Coordinator, Lab, Member, Need, Topology, eventually, prerequisites};

const SOON: Duration = Duration::from_secs(10);
const HEALED: Duration = Duration::from_secs(2);

fn tc(topology: &Topology, words: &str) -> String {
    let mut command = Command::new("tc");
    command.args(words.split(' '));
    let output = topology.vch.output(command).unwrap();
    assert!(output.status.success(), "tc {words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The links of an endpoint: its port, and the one through which what it sends is led.
fn links(vch: &Coordinator<'_>, container: &str, network: &str) -> [String; 2] {
    let shown = vch.ask(&format!("container inspect {container}")).unwrap();
    let port = shown["endpoints"][network]["link"].as_str().unwrap();
    [port.to_owned(), port.replace("vt-", "vi-")]
}

fn rate(vch: &Coordinator<'_>, container: &str, network: &str) -> Option<String> {
    let shown = vch.ask(&format!("container inspect {container}")).unwrap();
    let rate = shown["endpoints"][network]["rate"].as_str();
    rate.map(str::to_owned)
}

/// Whether both links have that rate, in the words of `tc`.
fn is_limited(topology: &Topology, links: &[String], rate: &str) -> bool {
    let shown = |link: &String| tc(topology, &format!("qdisc show dev {link} root"));
    let words = format!(" rate {rate} ");
    links.iter().all(|link| shown(link).contains(&words))
}

#[test]
fn a_rate_is_given_changed_kept_mended_and_taken_away() {
    prerequisites::check(Need::MEMBERS).unwrap();
    let lab = Lab::of_namespaces("rates").unwrap();
    let topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create back").unwrap();
    let member = Member::start(&lab, &vch, "app", &["web --rate 50mbit", "back"]).unwrap();
    vch.ready("app", SOON).unwrap();
    let web = links(&vch, "app", "web");
    let back = links(&vch, "app", "back");
    assert!(is_limited(&topology, &web, "50Mbit"));
    assert_eq!(rate(&vch, "app", "web").unwrap(), "50mbit");
    assert_eq!(rate(&vch, "app", "back"), None);
    assert!(topology.vch.ip(&format!("link show {}", back[1])).is_err());

    for (command, words) in [
        ("container rate app fast", "'fast' is no rate"),
        ("container rate app 1kbit", "use 128kbit to 100gbit"),
        (
            "container rate app --network missing 10mbit",
            "network missing not found",
        ),
        (
            "container rate missing 10mbit",
            "No such container: missing",
        ),
        (
            "container connect app bridge --rate 1tbit",
            "use 128kbit to 100gbit",
        ),
    ] {
        let refused = vch.vchctl(command).unwrap_err().to_string();
        assert!(refused.contains(words), "{command}: {refused}");
    }
    vch.vchctl("container add lonely").unwrap();
    let refused = vch.vchctl("container rate lonely 10mbit").unwrap_err();
    assert!(refused.to_string().contains("on no network"), "{refused}");

    vch.vchctl("container rate app 10mbit").unwrap();
    assert!(is_limited(&topology, &web, "10Mbit") && is_limited(&topology, &back, "10Mbit"));
    let told = vch
        .vchctl("container rate app --network back 1.5mbit")
        .unwrap();
    assert!(told.contains("RATE") && told.contains("1500kbit"), "{told}");
    assert!(is_limited(&topology, &web, "10Mbit") && is_limited(&topology, &back, "1500Kbit"));

    vch.vchctl("container stop app").unwrap();
    assert!(is_limited(&topology, &web, "10Mbit"));
    vch.vchctl("container start app").unwrap();
    vch.kill().unwrap();
    tc(&topology, &format!("qdisc del dev {} root", web[0]));
    vch.restart().unwrap();
    vch.ready("app", SOON).unwrap();
    assert!(is_limited(&topology, &web, "10Mbit") && is_limited(&topology, &back, "1500Kbit"));
    assert_eq!(rate(&vch, "app", "back").unwrap(), "1500kbit");

    for undo in [
        format!("qdisc del dev {} root", web[0]),
        format!("qdisc del dev {} root", web[1]),
    ] {
        tc(&topology, &undo);
        eventually(HEALED, &undo, || is_limited(&topology, &web, "10Mbit")).unwrap();
    }
    topology.vch.ip(&format!("link del {}", web[1])).unwrap();
    let redirected = || {
        let filters = tc(&topology, &format!("filter show dev {} ingress", web[0]));
        filters.contains(&format!("Redirect to device {}", web[1]))
    };
    eventually(HEALED, "what comes in is limited again", redirected).unwrap();

    vch.vchctl("container rate app --network web none").unwrap();
    assert_eq!(rate(&vch, "app", "web"), None);
    assert!(!is_limited(&topology, &web[..1], "10Mbit"));
    undone(&topology, &vch, &web, &back);
    vch.vchctl("container disconnect app back").unwrap();
    let gone = || topology.vch.ip("-o link show").unwrap();
    let gone = || !gone().contains("vi-");
    eventually(SOON, "no limit is left", gone).unwrap();
    drop(member);
}

/// Checks that a rate that the kernel refuses is undone, also of the container's other endpoints.
fn undone(topology: &Topology, vch: &Coordinator<'_>, web: &[String], back: &[String]) {
    let taken = format!("link add {} type bridge", web[1]);
    topology.vch.ip(&taken).unwrap();
    let refused = vch.vchctl("container rate app 20mbit").unwrap_err();
    let words = format!("link name {} is held by a bridge link", web[1]);
    assert!(refused.to_string().contains(&words), "{refused}");
    assert_eq!(rate(vch, "app", "web"), None);
    assert_eq!(rate(vch, "app", "back").unwrap(), "1500kbit");
    let undone = || is_limited(topology, back, "1500Kbit");
    eventually(SOON, "the other endpoint has its rate again", undone).unwrap();
    topology.vch.ip(&format!("link del {}", web[1])).unwrap();
}

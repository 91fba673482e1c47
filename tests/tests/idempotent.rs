//! What is already so is not made so again: nobody's restart changes anything in a kernel.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use lab::{Coordinator, Lab, Member, Monitor, Need, eventually, prerequisites};

const SOON: Duration = Duration::from_secs(20);
/// The agent's words for these moments.
const STANDS: &str = "the session stands";
const GIVEN: &str = "is to be applied";

/// The kernels' networks that are listened to, and the rules.
struct Ears {
    vch: Monitor,
    rules: Monitor,
    container: Monitor,
}

impl Ears {
    fn hear_nothing(&mut self, after: &str) {
        let none: [&str; 0] = [];
        assert_eq!(
            self.container.changes().unwrap(),
            none,
            "container: {after}"
        );
        assert_eq!(self.vch.changes().unwrap(), none, "VCH: {after}");
        assert_eq!(self.rules.changes().unwrap(), none, "rules: {after}");
        println!("0 changes: {after}");
    }
}

fn count(member: &Member, words: &str) -> usize {
    member.log().matches(words).count()
}

/// Waits until the agent has been in that moment more often than `before`, and the session is live and ready.
fn again(vch: &Coordinator<'_>, member: &Member, words: &str, before: usize) {
    let what = format!("the agent says once more: {words}");
    eventually(SOON, &what, || count(member, words) > before).unwrap();
    eventually(SOON, "the session is live", || {
        let shown = vch.ask("container inspect app").unwrap();
        shown["session"]["live"] == true && shown["session"]["state"] == "ready"
    })
    .unwrap();
}

#[test]
fn no_restart_of_either_side_changes_anything() {
    prerequisites::check(Need::MEMBERS).unwrap();
    prerequisites::check(&[Need::Nft]).unwrap();
    let lab = Lab::of_namespaces("idempotent").unwrap();
    let topology = lab.topology().unwrap();
    let mut vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("network create web").unwrap();
    vch.vchctl("network create store --subnet 10.77.0.0/24 --subnet fd77::/64")
        .unwrap();
    vch.vchctl("network create inside --internal").unwrap();
    let networks = ["web", "store", "inside"];
    let mut member = Member::start(&lab, &vch, "app", &networks).unwrap();
    vch.ready("app", SOON).unwrap();
    eventually(SOON, "no address is still being checked", || {
        let of_vch = topology.vch.ip("address show tentative").unwrap();
        let of_app = member.namespace().ip("address show tentative").unwrap();
        !of_vch.contains("inet6") && !of_app.contains("inet6")
    })
    .unwrap();
    let mut ears = Ears {
        vch: Monitor::of_network(&lab, &topology.vch).unwrap(),
        rules: Monitor::of_rules(&lab, &topology.vch).unwrap(),
        container: Monitor::of_network(&lab, member.namespace()).unwrap(),
    };

    let before = count(&member, STANDS);
    vch.kill().unwrap();
    vch.restart().unwrap();
    again(&vch, &member, STANDS, before);
    ears.hear_nothing("the coordinator was killed and started, the session resumed");

    let before = count(&member, STANDS);
    vch.stop().unwrap();
    vch.restart().unwrap();
    again(&vch, &member, STANDS, before);
    ears.hear_nothing("the coordinator was ended and started, the session resumed");

    let before = count(&member, GIVEN);
    member.kill_agent().unwrap();
    member.restart_agent().unwrap();
    again(&vch, &member, GIVEN, before);
    ears.hear_nothing("the agent was killed and started, and applied the whole spec again");

    let before = count(&member, GIVEN);
    vch.kill().unwrap();
    member.kill_agent().unwrap();
    member.restart_agent().unwrap();
    vch.restart().unwrap();
    again(&vch, &member, GIVEN, before);
    ears.hear_nothing("both were killed and started");

    what_is_removed_is_heard_and_put_back(&vch, &member, &mut ears);
}

/// The agent is awake, and what it does would have been heard.
fn what_is_removed_is_heard_and_put_back(vch: &Coordinator<'_>, member: &Member, ears: &mut Ears) {
    let address = member.address(vch, "store").unwrap().to_string();
    let shown = || member.namespace().ip("-o address show").unwrap();
    let line = shown();
    let link = line
        .lines()
        .find(|line| line.contains(&format!(" {address}/")))
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap();
    let remove = format!("address delete {address}/24 dev {link}");
    member.namespace().ip(&remove).unwrap();
    eventually(SOON, "the address is back", || {
        shown().contains(&format!(" {address}/"))
    })
    .unwrap();
    let heard = ears.container.changes().unwrap();
    let of_address = |deleted: bool| {
        heard.iter().any(|line| {
            line.contains(&format!("inet {address}/")) && line.contains("Deleted") == deleted
        })
    };
    assert!(of_address(true) && of_address(false), "{heard:#?}");

    vch.vchctl("network create late").unwrap();
    let heard = ears.vch.changes().unwrap();
    assert!(
        heard.iter().any(|line| line.contains("inet ")),
        "{heard:#?}"
    );
    let heard = ears.rules.changes().unwrap();
    assert!(!heard.is_empty(), "the new network's rules");
}

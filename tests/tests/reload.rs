//! The configuration is read again while the coordinator runs: external networks come, change and go; nothing else does.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use lab::{Coordinator, Lab, Need, eventually, prerequisites};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(10);
const THIRD: &str = "[[external]]
name = \"third\"
interface = \"third\"
subnets = [{ subnet = \"10.66.0.0/24\", gateway = \"10.66.0.1\", address = \"10.66.0.2\" }]
";

/// The configuration's text, and how it is changed.
struct File<'a> {
    vch: &'a Coordinator<'a>,
    original: String,
}

impl<'a> File<'a> {
    fn of(vch: &'a Coordinator<'a>) -> Self {
        let original = fs::read_to_string(vch.dir().join("vch.toml")).unwrap();
        Self { vch, original }
    }

    fn write(&self, text: &str) {
        fs::write(self.vch.dir().join("vch.toml"), text).unwrap();
    }

    fn add(&self, tables: &str) {
        self.write(&format!("{}{tables}", self.original));
    }

    /// The original with another text in the place of one that is there.
    fn replace(&self, from: &str, to: &str) {
        assert!(self.original.contains(from), "{}", self.original);
        self.write(&self.original.replace(from, to));
    }

    /// A reload is refused and has changed nothing; what was said.
    fn refused(&self) -> String {
        let before = (state(self.vch), networks(self.vch));
        let said = self.vch.vchctl("reload").unwrap_err().to_string();
        assert_eq!((state(self.vch), networks(self.vch)), before, "{said}");
        said
    }
}

fn state(vch: &Coordinator<'_>) -> Value {
    let status = vch.ask("status").unwrap();
    assert_eq!(status["unsettled"], json!([]));
    status["revision"].clone()
}

fn networks(vch: &Coordinator<'_>) -> Value {
    vch.ask("network ls").unwrap()
}

fn externals(vch: &Coordinator<'_>) -> BTreeSet<String> {
    let shown = networks(vch);
    let rows = shown.as_array().unwrap().iter();
    let external = rows.filter(|row| row["scope"] == "external");
    external
        .map(|row| row["name"].as_str().unwrap().to_owned())
        .collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn external_networks_come_change_and_go_by_a_reload() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("reload").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let both = set(&["default-external", "vic-production"]);
    assert_eq!(externals(&vch), both);
    let file = File::of(&vch);
    let shown = networks(&vch);
    let said = vch.ask("reload").unwrap();
    for what in ["added", "changed", "removed"] {
        assert_eq!(
            said[what],
            json!([]),
            "the same file changes nothing: {said}"
        );
    }
    assert_eq!(networks(&vch), shown);

    topology.vch.ip("link add third type bridge").unwrap();
    topology
        .vch
        .ip("address add 10.66.0.2/24 dev third")
        .unwrap();
    file.add(THIRD);
    let said = vch.ask("reload").unwrap();
    assert_eq!(said["added"], json!(["third"]), "{said}");
    assert_eq!(
        externals(&vch),
        set(&["default-external", "third", "vic-production"])
    );
    let shown = vch.ask("network inspect third").unwrap();
    let id = shown["id"].clone();
    assert!(shown.to_string().contains("10.66.0.1"), "{shown}");

    // Changed, by the signal, which nobody waits for.
    file.add(&THIRD.replace("10.66.0.1\"", "10.66.0.254\""));
    hang_up(&vch);
    eventually(SOON, "the gateway is another one", || {
        let shown = vch.ask("network inspect third").unwrap().to_string();
        shown.contains("10.66.0.254") && !shown.contains("10.66.0.1\"")
    })
    .unwrap();

    // A bad file by the signal: it is logged why, and all goes on.
    file.write("[vch");
    hang_up(&vch);
    eventually(SOON, "the log says why", || {
        vch.log().contains("vch.toml:1: ")
    })
    .unwrap();
    assert_eq!(externals(&vch).len(), 3);

    file.write(&file.original);
    let said = vch.ask("reload").unwrap();
    assert_eq!(said["removed"], json!([id]), "{said}");
    assert_eq!(externals(&vch), both);

    // What was taken over is what a restart finds.
    let mut vch = vch;
    let revision = state(&vch);
    vch.stop().unwrap();
    vch.restart().unwrap();
    assert_eq!(state(&vch), revision);
    assert_eq!(externals(&vch), both);
}

fn hang_up(vch: &Coordinator<'_>) {
    let pid = i32::try_from(vch.pid().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGHUP).unwrap();
}

#[test]
fn a_file_that_cannot_be_taken_over_changes_nothing_and_says_why() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("refused").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let file = File::of(&vch);

    file.add("[[external]]\n");
    let said = file.refused();
    assert!(said.contains("missing field `name`"), "{said}");
    file.replace("10.2.0.1\"", "10.3.0.1\"");
    let said = file.refused();
    assert!(
        said.contains("`external.subnets.gateway` cannot be `10.3.0.1`"),
        "{said}"
    );
    file.add("[dns]\nthreads = 3\n");
    let said = file.refused();
    assert!(
        said.contains("`dns` has changed") && said.contains("restart the coordinator"),
        "{said}"
    );
    file.replace("/state\"", "/elsewhere\"");
    assert!(file.refused().contains("`vch.state_dir` has changed"));
    file.add(THIRD);
    let said = file.refused();
    assert!(
        said.contains("`external.interface` of third cannot be `third`: there is no such link"),
        "{said}"
    );

    // A bridge network has those addresses already.
    vch.vchctl("network create web --subnet 10.66.0.0/16")
        .unwrap();
    topology.vch.ip("link add third type bridge").unwrap();
    topology
        .vch
        .ip("address add 10.66.0.2/24 dev third")
        .unwrap();
    let said = file.refused();
    assert!(said.contains("web"), "{said}");

    // One that has endpoints stays, and so does its container.
    vch.vchctl("container add one --channel unix:/run/nowhere.sock")
        .unwrap();
    vch.vchctl("container connect one vic-production").unwrap();
    let production = file
        .original
        .find("[[external]]\nname = \"vic-production\"")
        .unwrap();
    let (before, behind) = file.original.split_at(production);
    let behind = behind
        .split_once("[bridge]")
        .map_or("", |(_, behind)| behind);
    file.write(&format!("{before}[bridge]{behind}"));
    let said = file.refused();
    assert!(
        said.contains("vic-production") && said.contains("one"),
        "{said}"
    );
    vch.vchctl("container disconnect one vic-production")
        .unwrap();
    vch.vchctl("reload").unwrap();
    assert_eq!(externals(&vch), set(&["default-external"]));
    assert!(
        topology.vch.ip("link show production").is_ok(),
        "the link is not ours"
    );
}

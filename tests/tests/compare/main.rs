//! Side by side with a real dockerd: the same commands, typed by the same CLI.
//!
//! `scenarios/*.txt` holds the commands, in scenarios that begin with nothing; `dockerd*.txt` what dockerd 26.1 said to each;
//! `docs/docker.md` a table of how the VCH's answer compares. Equal means: the same exit code, text, requests, status
//! codes and JSON key sets, after the rules of [`rules`]. `make compare` asks a dockerd anew and writes both.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod part;
mod play;
mod record;
mod rules;
mod scenario;
mod table;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use lab::{Boot, Coordinator, Lab, Peer, RootFs, VmHost, paths};

use part::{CONTAINERS, NETWORKS, OPTIONS, Part};
use play::{play, prepared};
use rules::comparable;
use scenario::Expected;

/// Set by `make compare`: every scenario, and the committed files are written.
const WRITE: &str = "VCH_COMPARE";
const FEWEST_ROWS: usize = 600;
const MOST_DELIBERATE: usize = 15;

fn writes() -> bool {
    env::var_os(WRITE).is_some()
}

fn table_file() -> PathBuf {
    paths::workspace().join("docs/docker.md")
}

#[test]
fn there_are_enough_rows_and_few_are_different_on_purpose() {
    let scenarios = Part::ALL.map(|part| part.scenarios()).concat();
    let rows: Vec<_> = scenarios
        .iter()
        .flat_map(|scenario| &scenario.rows)
        .collect();
    assert!(rows.len() >= FEWEST_ROWS, "{} rows", rows.len());
    let deliberate = rows
        .iter()
        .filter(|row| matches!(row.expected, Expected::Deliberate(..)));
    let deliberate: Vec<&String> = deliberate.map(|row| &row.line).collect();
    assert!(deliberate.len() <= MOST_DELIBERATE, "{deliberate:#?}");
}

#[test]
fn dockerd_answers_of_networks_as_it_is_recorded() {
    dockerd_answers("compare-dockerd", &NETWORKS);
}

#[test]
fn dockerd_answers_of_containers_as_it_is_recorded() {
    dockerd_answers("compare-containers", &CONTAINERS);
}

#[test]
fn dockerd_answers_of_options_as_it_is_recorded() {
    dockerd_answers("compare-options", &OPTIONS);
}

fn dockerd_answers(label: &str, part: &Part) {
    let lab = Lab::of_namespaces(label).unwrap();
    let peer = Peer::start(&lab).unwrap();
    let files = RootFs::busybox(&lab, "busybox").unwrap();
    let (docker, tap) = prepared(&lab, &peer.socket(), Some(&files)).unwrap();
    let write = writes();
    let scenarios = if write {
        part.scenarios()
    } else {
        part.short_of_dockerd()
    };
    let answered: Vec<_> = scenarios
        .iter()
        .map(|scenario| play(scenario, &docker, &tap).unwrap())
        .collect();
    if write {
        fs::write(part.record(), record::written(&scenarios, &answered)).unwrap();
        return;
    }
    for (scenario, answers) in scenarios.iter().zip(answered) {
        for (row, answer) in scenario.rows.iter().zip(answers) {
            let [answer, recorded] = [&answer, &row.dockerd].map(|said| comparable(said));
            assert_eq!(answer, recorded, "dockerd, `{}`", row.line);
        }
    }
}

#[test]
fn a_vch_answers_of_networks_as_the_table_says() {
    let lab = Lab::of_namespaces("compare-vch").unwrap();
    let topology = lab.topology().unwrap();
    let socket = lab.path("docker.sock");
    let endpoint = Coordinator::docker_table(&socket);
    let _vch = Coordinator::start_with(&lab, &topology.vch, &endpoint).unwrap();
    vch_answers(&lab, &socket, &NETWORKS, None);
}

#[test]
fn a_vch_answers_of_containers_as_the_table_says() {
    vms_answer("compare-vms", &CONTAINERS);
}

#[test]
fn a_vch_answers_of_options_as_the_table_says() {
    vms_answer("compare-vms-options", &OPTIONS);
}

fn vms_answer(label: &str, part: &Part) {
    let lab = Lab::of_vms(label).unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    let files = RootFs::busybox(&lab, "busybox").unwrap();
    vch_answers(&lab, host.socket(), part, Some(&files));
}

fn vch_answers(lab: &Lab, socket: &Path, part: &Part, image: Option<&RootFs>) {
    let (docker, tap) = prepared(lab, socket, image).unwrap();
    let mut compared = Vec::new();
    for scenario in part.of_vch(writes()) {
        let answers = play(&scenario, &docker, &tap).unwrap();
        compared.extend(scenario.rows.into_iter().zip(answers));
    }
    let differences = table::differences(&compared);
    let dir = paths::workspace().join("target/compare");
    fs::create_dir_all(&dir).unwrap();
    let name = part.title.to_lowercase();
    fs::write(dir.join(format!("{name}.md")), &differences).unwrap();
    if writes() {
        // The other part may be written at this moment.
        let file = File::open(table_file()).unwrap();
        file.lock().unwrap();
        let page = fs::read_to_string(table_file()).unwrap();
        let section = table::section(part.title, &compared);
        fs::write(table_file(), table::replaced(&page, part.title, &section)).unwrap();
    }
    assert!(differences.is_empty(), "rows differ:\n{differences}");
}

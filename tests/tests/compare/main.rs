//! Side by side with a real dockerd: the same commands, typed by the same CLI.
//!
//! `scenes/*.txt` holds the commands, in scenes that begin with nothing; `dockerd.txt` what dockerd 20.10 said to each;
//! `docs/docker.md` a table of how the VCH's answer compares. Equal means: the same exit code, text, requests, status
//! codes and JSON key sets, after the rules of [`rules`]. `make compare` asks a dockerd anew and writes both files.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod play;
mod record;
mod rules;
mod scene;
mod table;

use std::env;
use std::fs;
use std::path::PathBuf;

use lab::{Coordinator, Lab, Peer, RootFs, places};

use play::{play, prepared};
use scene::{Expected, Scene};

/// Set by `make compare`: every scene, and the committed files are written.
const WRITE: &str = "VCH_COMPARE";
const FEWEST_ROWS: usize = 150;
const MOST_DELIBERATE: usize = 15;

fn here(name: &str) -> PathBuf {
    places::workspace().join("tests/tests/compare").join(name)
}

fn table_file() -> PathBuf {
    places::workspace().join("docs/docker.md")
}

fn scenes() -> Vec<Scene> {
    let files = ["networks.txt", "containers.txt"];
    let text = files.map(|name| fs::read_to_string(here("scenes").join(name)).unwrap());
    text.iter().flat_map(|text| scene::parsed(text)).collect()
}

fn recorded() -> Vec<Scene> {
    let mut scenes = scenes();
    record::read(
        &fs::read_to_string(here("dockerd.txt")).unwrap(),
        &mut scenes,
    )
    .unwrap();
    scenes
}

#[test]
fn there_are_enough_rows_and_few_are_different_on_purpose() {
    let scenes = scenes();
    let rows: Vec<_> = scenes.iter().flat_map(|scene| &scene.rows).collect();
    assert!(rows.len() >= FEWEST_ROWS, "{} rows", rows.len());
    let deliberate = rows
        .iter()
        .filter(|row| matches!(row.expected, Expected::Deliberate(_)));
    assert!(deliberate.count() <= MOST_DELIBERATE);
}

#[test]
fn dockerd_answers_as_it_is_recorded() {
    let lab = Lab::of_namespaces("compare-dockerd").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let files = RootFs::busybox(&lab, "busybox").unwrap();
    let socket = peer.socket();
    let (docker, tap) = prepared(&lab, &socket, Some(&files)).unwrap();
    let write = env::var_os(WRITE).is_some();
    let scenes = if write { scenes() } else { recorded() };
    // The short form is the errors and names; each scene costs seconds.
    let played = if write { scenes.len() } else { 3 };
    let mut answered = Vec::new();
    for scene in &scenes[..played] {
        answered.push(play(scene, &docker, &tap).unwrap());
    }
    if write {
        fs::write(here("dockerd.txt"), record::written(&scenes, &answered)).unwrap();
        return;
    }
    for (scene, answers) in scenes.iter().zip(answered) {
        for (row, answer) in scene.rows.iter().zip(answers) {
            assert_eq!(answer, row.dockerd, "dockerd, `{}`", row.line);
        }
    }
}

#[test]
fn the_vch_answers_as_the_table_says() {
    let lab = Lab::of_namespaces("compare-vch").unwrap();
    let topology = lab.topology().unwrap();
    let socket = lab.path("docker.sock");
    let endpoint = Coordinator::docker_table(&socket);
    let _vch = Coordinator::start_with(&lab, &topology.vch, &endpoint).unwrap();
    let (docker, tap) = prepared(&lab, &socket, None).unwrap();
    let mut compared = Vec::new();
    // Containers are VMs: their scenes are no part of a test of namespaces.
    for scene in recorded()
        .into_iter()
        .filter(|scene| !scene.has_containers())
    {
        let answers = play(&scene, &docker, &tap).unwrap();
        compared.extend(scene.rows.into_iter().zip(answers));
    }
    let found = table::written(&compared);
    fs::create_dir_all(places::workspace().join("target/compare")).unwrap();
    let differences = table::differences(&compared);
    fs::write(
        places::workspace().join("target/compare/differences.md"),
        &differences,
    )
    .unwrap();
    if env::var_os(WRITE).is_some() {
        fs::write(table_file(), found).unwrap();
        return;
    }
    let worse = table::worse(&fs::read_to_string(table_file()).unwrap(), &compared);
    assert!(
        worse.is_empty(),
        "rows that were equal:\n{}\n{differences}",
        worse.join("\n")
    );
}

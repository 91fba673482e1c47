//! A VM that is a clone of a saved one: the same container, without the boot.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::{Lab, Process, paths};

use crate::world::{BOOTED, Shim, launch};

#[tokio::test]
async fn a_clone_runs_a_container_without_a_boot_and_draws_numbers_of_its_own() {
    let lab = Lab::of_vms("clones").unwrap();
    let words = "head -c 16 /dev/urandom | od -A n -t x1 | tr -d '\\n'; date +%s; cat /proc/uptime";
    let mut launch = launch(&lab, &["sh", "-c", words]);
    let template = lab.path("template");
    let text = lab.path("template.json");
    fs::write(&text, serde_json::to_vec(&launch).unwrap()).unwrap();
    let mut command = Command::new(paths::built("vch-shim").unwrap());
    command
        .arg("template")
        .arg(&template)
        .stdin(fs::File::open(text).unwrap());
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(lab.path("template.log")).unwrap());
    let mut making = Process::spawn("the template's shim", command).unwrap();
    let made = making.wait_within(BOOTED).unwrap();
    assert!(made.success(), "{}", lab.read("template.log"));

    launch.template = Some(template);
    let mut drawn = Vec::new();
    for life in 0..3 {
        launch.dir = lab.path(&format!("container-{life}"));
        let mut shim = Shim::start(&lab, &launch);
        let outcome = shim.outcome();
        assert_eq!((outcome.code, &outcome.failure), (0, &None));
        let first = outcome.phases.first().unwrap().at_us;
        let process = outcome
            .phases
            .iter()
            .find(|phase| phase.name == "process")
            .unwrap();
        let took = Duration::from_micros(process.at_us - first);
        println!("a clone's process after {took:.2?}");
        let mut reader = vch_shim::log::Reader::from_start(&shim.dir).unwrap();
        let mut text = Vec::new();
        while let Some(record) = reader.read().unwrap() {
            text.extend(record.bytes);
        }
        let text = String::from_utf8(text).unwrap();
        let mut words = text.split_ascii_whitespace();
        let numbers: Vec<&str> = words.by_ref().take(16).collect();
        drawn.push(numbers.join(""));
        println!("{text}");
    }
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), 3, "each clone draws its own: {drawn:?}");
}

//! The parts of what is compared: networks alone, containers (which are VMs here), and the options that a CLI can type.

use std::fs;
use std::path::PathBuf;

use lab::paths;

use crate::record;
use crate::scenario::{self, Scenario};

/// Scenarios of one file, with what dockerd said to them.
#[derive(Debug)]
pub struct Part {
    /// Of its section in docs/docker.md, and, in small letters, of its files.
    pub title: &'static str,
    scenarios: &'static str,
    record: &'static str,
    /// What dockerd is asked anew in each test run: each scenario costs seconds.
    short_of_dockerd: &'static [&'static str],
    /// The scenarios that a VCH plays in each test run; empty for all.
    short_of_vch: &'static [&'static str],
}

pub const NETWORKS: Part = Part {
    title: "Networks",
    scenarios: "scenarios/networks.txt",
    record: "dockerd.txt",
    short_of_dockerd: &[
        "What is there at first",
        "Create and remove",
        "Names that are taken, unknown or refused",
    ],
    short_of_vch: &[],
};

pub const CONTAINERS: Part = Part {
    title: "Containers",
    scenarios: "scenarios/containers.txt",
    record: "dockerd-containers.txt",
    short_of_dockerd: &["Filters of containers"],
    short_of_vch: &[
        "Create and look",
        "Networks that come later",
        "Published ports",
        "Images",
    ],
};

pub const OPTIONS: Part = Part {
    title: "Options",
    scenarios: "scenarios/options.txt",
    record: "dockerd-options.txt",
    short_of_dockerd: &["Update"],
    short_of_vch: &["Published in other ways"],
};

impl Part {
    pub const ALL: [Self; 3] = [NETWORKS, CONTAINERS, OPTIONS];

    /// Everything that is typed.
    pub fn scenarios(&self) -> Vec<Scenario> {
        scenario::parsed(&fs::read_to_string(here(self.scenarios)).unwrap())
    }

    /// The same, with what dockerd said.
    pub fn recorded(&self) -> Vec<Scenario> {
        let mut scenarios = self.scenarios();
        let text = fs::read_to_string(self.record()).unwrap();
        record::read(&text, &mut scenarios).unwrap();
        scenarios
    }

    /// Where it is written down.
    pub fn record(&self) -> PathBuf {
        here(self.record)
    }

    /// Returns the scenarios that dockerd plays in the short form.
    pub fn short_of_dockerd(&self) -> Vec<Scenario> {
        chosen(self.recorded(), self.short_of_dockerd)
    }

    /// Returns the scenarios that a VCH plays, in the long form or the short one.
    pub fn of_vch(&self, long: bool) -> Vec<Scenario> {
        match (long, self.short_of_vch) {
            (true, _) | (_, []) => self.recorded(),
            (false, short) => chosen(self.recorded(), short),
        }
    }
}

fn chosen(mut scenarios: Vec<Scenario>, titles: &[&str]) -> Vec<Scenario> {
    scenarios.retain(|scenario| titles.contains(&scenario.title.as_str()));
    assert_eq!(scenarios.len(), titles.len(), "scenarios named {titles:?}");
    scenarios
}

fn here(name: &str) -> PathBuf {
    paths::workspace().join("tests/tests/compare").join(name)
}

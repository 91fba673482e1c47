//! The parts of what is compared: networks alone, containers (which are VMs here), and the options that a CLI can type.

use std::fs;
use std::path::PathBuf;

use lab::paths;

use crate::record;
use crate::scene::{self, Scene};

/// Scenes of one file, with what dockerd said to them.
#[derive(Debug)]
pub struct Part {
    /// Of its section in docs/docker.md, and, in small letters, of its files.
    pub title: &'static str,
    scenes: &'static str,
    record: &'static str,
    /// What dockerd is asked anew in each test run: each scene costs seconds.
    short_of_dockerd: &'static [&'static str],
    /// The scenes that a VCH plays in each test run; empty for all.
    short_of_vch: &'static [&'static str],
}

pub const NETWORKS: Part = Part {
    title: "Networks",
    scenes: "scenes/networks.txt",
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
    scenes: "scenes/containers.txt",
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
    scenes: "scenes/options.txt",
    record: "dockerd-options.txt",
    short_of_dockerd: &["Update"],
    short_of_vch: &["Published in other ways"],
};

impl Part {
    pub const ALL: [Self; 3] = [NETWORKS, CONTAINERS, OPTIONS];

    /// Everything that is typed.
    pub fn scenes(&self) -> Vec<Scene> {
        scene::parsed(&fs::read_to_string(here(self.scenes)).unwrap())
    }

    /// The same, with what dockerd said.
    pub fn recorded(&self) -> Vec<Scene> {
        let mut scenes = self.scenes();
        let text = fs::read_to_string(self.record()).unwrap();
        record::read(&text, &mut scenes).unwrap();
        scenes
    }

    /// Where it is written down.
    pub fn record(&self) -> PathBuf {
        here(self.record)
    }

    /// Returns the scenes that dockerd plays in the short form.
    pub fn short_of_dockerd(&self) -> Vec<Scene> {
        chosen(self.recorded(), self.short_of_dockerd)
    }

    /// Returns the scenes that a VCH plays, in the long form or the short one.
    pub fn of_vch(&self, long: bool) -> Vec<Scene> {
        match (long, self.short_of_vch) {
            (true, _) | (_, []) => self.recorded(),
            (false, short) => chosen(self.recorded(), short),
        }
    }
}

fn chosen(mut scenes: Vec<Scene>, titles: &[&str]) -> Vec<Scene> {
    scenes.retain(|scene| titles.contains(&scene.title.as_str()));
    assert_eq!(scenes.len(), titles.len(), "scenes named {titles:?}");
    scenes
}

fn here(name: &str) -> PathBuf {
    paths::workspace().join("tests/tests/compare").join(name)
}

//! The structure of the sources: which package may need which, how large one may grow, and no circles of files.

#![expect(clippy::unwrap_used, reason = "a test")]

mod circles;
mod imports;
mod packages;

use std::{env, path::PathBuf, process::Command};

/// One of our packages.
struct Package {
    name: String,
    /// The directory of its sources.
    sources: PathBuf,
    /// What it needs of our packages, and what its tests need beside.
    needs: Vec<String>,
    tests_need: Vec<String>,
}

/// Our packages, as cargo knows them.
fn packages() -> Vec<Package> {
    let told = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(lab::paths::workspace())
        .output()
        .unwrap();
    assert!(
        told.status.success(),
        "{}",
        String::from_utf8_lossy(&told.stderr)
    );
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let packages = told["packages"].as_array().unwrap();
    let names: Vec<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    let package = |package: &serde_json::Value| {
        let needs = |kind: Option<&str>| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let ours = dependencies
                .filter(|one| one["kind"].as_str() == kind)
                .map(|one| one["name"].as_str().unwrap())
                .filter(|name| names.contains(name));
            let mut ours: Vec<String> = ours.map(str::to_owned).collect();
            ours.sort();
            ours
        };
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        Package {
            name: package["name"].as_str().unwrap().to_owned(),
            sources: manifest.with_file_name("src"),
            needs: needs(None),
            tests_need: needs(Some("dev")),
        }
    };
    packages.iter().map(package).collect()
}

//! docker compose.

use std::path::Path;
use std::time::Duration;

use lab::{Docker, Lab, Need, eventually, places, prerequisites};

use crate::python;

const SOON: Duration = Duration::from_secs(60);

/// Two services with networks come up, one finds the other by name, and nothing is left when they went down.
pub fn goes_up_and_down(lab: &Lab, daemon: &Path, docker: &Docker) {
    prerequisites::check(&[Need::Compose]).unwrap();
    let file = places::workspace().join("tests/tests/clients/compose.yml");
    let compose = |words: &[&str]| {
        let mut command = python(&places::compose(), daemon);
        command
            .args(["-m", "compose", "-p", "app", "-f"])
            .arg(&file);
        command.args(words).current_dir(lab.folder());
        command.env("HOME", lab.folder());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}\n{complained}");
        said
    };
    let networks = "docker network ls --format '{{.Name}}'";
    let before = docker.succeed(networks).unwrap();

    compose(&["up", "-d"]);
    let listed = docker.succeed(networks).unwrap();
    for network in ["app_back", "app_front"] {
        assert!(listed.lines().any(|name| name == network), "{listed}");
    }
    let of_server = "docker inspect -f '{{range $name, $place := .NetworkSettings.Networks}}{{$name}} {{end}}' app_server_1";
    assert_eq!(
        docker.succeed(of_server).unwrap().trim(),
        "app_back app_front"
    );
    assert_eq!(compose(&["port", "server", "80"]).trim(), "0.0.0.0:8080");
    let found = || compose(&["logs", "--no-color", "client"]);
    eventually(SOON, "the client finds the server", || {
        let said = found();
        said.contains("Hello world!") && said.contains("1 packets received")
    })
    .unwrap_or_else(|error| panic!("{error}: {}", found()));
    assert!(compose(&["ps"]).contains("Exit 0"), "the client ended well");
    compose(&["exec", "-T", "server", "true"]);

    compose(&["down"]);
    assert_eq!(docker.succeed("docker ps -aq").unwrap(), "");
    assert_eq!(docker.succeed(networks).unwrap(), before);
}

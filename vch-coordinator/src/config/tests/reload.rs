//! Which changes a running coordinator applies.

use super::{EXTERNAL, parse, whole};
use crate::config::{ConfigError, LinksError, RereadError};

#[test]
fn other_external_networks_are_taken_over() {
    let before = parse("").expect("valid");
    let another = EXTERNAL.replace("default-external", "production");
    let after = parse(&another).expect("valid");
    let names = |networks: &[vch_ledger::ExternalNetwork]| -> Vec<String> {
        networks
            .iter()
            .map(|network| network.name.to_string())
            .collect()
    };
    assert_eq!(
        before.reload(&after).map(names),
        Ok(vec!["production".to_owned()])
    );
    assert_eq!(
        before.reload(&before).map(names),
        Ok(vec!["default-external".to_owned()])
    );
}

#[test]
fn everything_else_needs_a_restart_and_is_named() {
    let before = parse("").expect("valid");
    for (text, field) in [
        ("[vch]\nstate_dir = \"/x\"\n", "vch.state_dir"),
        (
            "[vch]\nrun_dir = \"/x\"\n[api]\nsocket = \"/run/vch/api.sock\"\n",
            "vch.run_dir",
        ),
        ("[api]\nsocket = \"/x\"\n", "api.socket"),
        (
            "[management]\ninterface = \"eth0\"\naddress = \"192.0.2.3\"\n",
            "management",
        ),
        (
            "[docker_endpoint]\ninterface = \"eth1\"\naddress = \"198.51.100.2\"\nport = 1\n",
            "docker_endpoint",
        ),
        ("[bridge]\nsegment = \"shared\"\n", "bridge.segment"),
        (
            "[bridge]\nshared_interface = \"x\"\n",
            "bridge.shared_interface",
        ),
        ("[bridge]\nsubnet = \"172.30.0.0/16\"\n", "bridge.subnet"),
        ("[bridge]\npools = []\n", "bridge.pools"),
        ("[ports]\nephemeral = \"1-2\"\n", "ports.ephemeral"),
        ("[runtime]\nhook = \"/x\"\n", "runtime"),
        ("[dns]\nthreads = 3\n", "dns"),
        ("[tether]\nheartbeat_ms = 200\n", "tether"),
        ("[metrics]\nlisten = \"127.0.0.1:9323\"\n", "metrics"),
    ] {
        let after = parse(text).expect("valid");
        let refused = before.reload(&after).expect_err("a restart is needed");
        assert_eq!(refused.field, field);
        assert!(refused.to_string().contains("restart the coordinator"));
    }
}

#[test]
fn a_file_that_can_t_be_taken_over_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vch.toml");
    let config = parse("").expect("valid");
    let reread = |text: &str| {
        std::fs::write(&file, text).unwrap();
        config.reread(&file).expect_err("must be refused")
    };
    let no_toml = reread("[vch");
    assert!(
        matches!(
            no_toml,
            RereadError::Config(ConfigError::Syntax { line: 1, .. })
        ),
        "{no_toml}"
    );
    let restart = reread(&whole("[dns]\nthreads = 3\n"));
    assert!(
        matches!(restart, RereadError::Restart(ref needed) if needed.field == "dns"),
        "{restart}"
    );
    // No machine has an interface of that name.
    let gone = parse("[management]\ninterface = \"not-there\"\naddress = \"192.0.2.2\"\n");
    let text = whole("[management]\ninterface = \"not-there\"\naddress = \"192.0.2.2\"\n");
    std::fs::write(&file, text).unwrap();
    let links = gone
        .expect("valid")
        .reread(&file)
        .expect_err("no such link");
    assert!(
        matches!(links, RereadError::Links(LinksError::NoLink { .. })),
        "{links}"
    );
    std::fs::remove_file(&file).unwrap();
    let absent = config.reread(&file).expect_err("no file");
    assert!(
        matches!(absent, RereadError::Config(ConfigError::Read { .. })),
        "{absent}"
    );
}

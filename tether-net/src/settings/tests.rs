use super::*;
use protocol::spec::{Generation, Incarnation, NetSpecParts, SpecId};
use std::path::Path;

fn spec(sysctls: &[(&str, &str)]) -> NetSpec {
    let sysctls = sysctls.iter();
    let extension = Extension {
        domain: None,
        sysctls: sysctls
            .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
            .collect(),
    };
    NetSpecParts {
        id: SpecId {
            incarnation: Incarnation([1; 16]),
            generation: Generation(1),
        },
        hostname: None,
        interfaces: Vec::new(),
        resolver: None,
        hosts: Vec::new(),
        extension: extension.field().unwrap(),
    }
    .try_into()
    .unwrap()
}

fn file(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn what_differs_is_written_and_what_is_not_there_is_awaited() {
    let root = tempfile::tempdir().unwrap();
    let sysfs = Sysfs::at("/sys", root.path());
    file(root.path(), "net/ipv6/conf/eth0/accept_ra", "0\n");
    file(root.path(), "net/ipv4/ping_group_range", "1\t0\n");
    let wanted = spec(&[
        ("net/ipv6/conf/eth0/accept_ra", "2"),
        ("net/ipv6/conf/eth1/accept_ra", "2"),
        ("net/ipv4/ping_group_range", "1 0"),
    ]);
    assert_eq!(apply(&sysfs, &wanted), []);
    let now = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
    assert_eq!(now("net/ipv6/conf/eth0/accept_ra"), "2");
    assert_eq!(
        now("net/ipv4/ping_group_range"),
        "1\t0\n",
        "the same values"
    );
    file(root.path(), "net/ipv6/conf/eth1/accept_ra", "0\n");
    assert_eq!(apply(&sysfs, &wanted), []);
    assert_eq!(now("net/ipv6/conf/eth1/accept_ra"), "2");
}

#[test]
fn a_path_that_leads_elsewhere_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let sysfs = Sysfs::at("/sys", root.path().join("sys"));
    file(root.path(), "outside", "0");
    for path in [
        "net/../../outside",
        "kernel/core_pattern",
        "net//x",
        "/net/x",
    ] {
        let failures = apply(&sysfs, &spec(&[(path, "1")]));
        assert_eq!(failures.len(), 1, "{path}");
        assert_eq!(failures[0].errno, nix::errno::Errno::EINVAL as i32);
    }
    assert_eq!(
        fs::read_to_string(root.path().join("outside")).unwrap(),
        "0"
    );
}

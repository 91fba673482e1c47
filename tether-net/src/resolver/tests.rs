use super::*;
use protocol::spec::{Generation, Incarnation, SpecId};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

fn spec(edit: impl FnOnce(&mut NetSpecParts)) -> NetSpec {
    let mut parts = NetSpecParts {
        id: SpecId {
            incarnation: Incarnation([1; 16]),
            generation: Generation(1),
        },
        hostname: None,
        interfaces: Vec::new(),
        resolver: None,
        hosts: Vec::new(),
        extension: Vec::new(),
    };
    edit(&mut parts);
    parts.try_into().unwrap()
}

fn resolver() -> Resolver {
    Resolver::new(
        vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()],
        vec!["vch.internal".parse().unwrap()],
        vec!["ndots:0".to_owned(), "timeout:1".to_owned()],
    )
    .unwrap()
}

fn entry(address: &str, name: &str) -> HostEntry {
    HostEntry {
        address: address.parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

fn apply(root: &std::path::Path, spec: &NetSpec) -> Vec<Failure> {
    Files::new(root, HostnameScope::Auto).apply(spec)
}

#[test]
fn resolv_conf_says_servers_search_and_options() {
    assert_eq!(
        resolv_conf(&resolver()),
        format!(
            "{OWN_LINE}nameserver 10.0.0.1\nnameserver fd00::1\nsearch vch.internal\noptions ndots:0 timeout:1\n"
        )
    );
}

#[test]
fn an_empty_resolver_has_no_empty_lines_in_its_file() {
    assert_eq!(resolv_conf(&Resolver::default()), OWN_LINE);
}

#[test]
fn hosts_begin_with_localhost() {
    let text = hosts(&[
        entry("10.0.0.2", "web"),
        entry("10.0.0.2", "web.vch.internal"),
    ]);
    assert!(text.contains("127.0.0.1\tlocalhost\n"));
    assert!(text.ends_with("10.0.0.2\tweb\n10.0.0.2\tweb.vch.internal\n"));
}

#[test]
fn files_are_made_where_there_is_no_etc_and_not_written_again() {
    let root = tempfile::tempdir().unwrap();
    let spec = spec(|parts| {
        parts.hostname = Some("web".parse().unwrap());
        parts.resolver = Some(resolver());
        parts.hosts = vec![entry("10.0.0.2", "web")];
    });
    assert_eq!(apply(root.path(), &spec), []);
    let inode = |name| {
        fs::metadata(root.path().join("etc").join(name))
            .unwrap()
            .ino()
    };
    let before = ["hostname", "hosts", "resolv.conf"].map(inode);
    assert_eq!(apply(root.path(), &spec), []);
    assert_eq!(["hostname", "hosts", "resolv.conf"].map(inode), before);
    let left: Vec<_> = fs::read_dir(root.path().join("etc")).unwrap().collect();
    assert_eq!(left.len(), 3, "something was left beside: {left:?}");
}

#[test]
fn what_the_spec_leaves_open_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(etc.join("hosts"), "10.9.9.9 mine\n").unwrap();
    fs::write(etc.join("resolv.conf"), "nameserver 9.9.9.9\n").unwrap();
    assert_eq!(apply(root.path(), &spec(|_| {})), []);
    assert_eq!(
        fs::read_to_string(etc.join("hosts")).unwrap(),
        "10.9.9.9 mine\n"
    );
    let text = fs::read_to_string(etc.join("resolv.conf")).unwrap();
    assert_eq!(text, "nameserver 9.9.9.9\n");
    assert!(!etc.join("hostname").exists());
}

#[test]
fn host_entries_that_a_new_spec_lacks_go() {
    let root = tempfile::tempdir().unwrap();
    let with = spec(|parts| parts.hosts = vec![entry("10.0.0.2", "web")]);
    apply(root.path(), &with);
    apply(root.path(), &spec(|_| {}));
    let text = fs::read_to_string(root.path().join("etc/hosts")).unwrap();
    assert!(text.contains("localhost") && !text.contains("web"));
}

#[test]
fn a_symbolic_link_is_replaced_and_what_it_leads_to_is_not_touched() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().join("stub.conf");
    fs::write(&target, "theirs\n").unwrap();
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    fs::create_dir(&etc).unwrap();
    symlink(&target, etc.join("resolv.conf")).unwrap();
    symlink(&target, etc.join(".resolv.conf.tether-net")).unwrap();
    let spec = spec(|parts| parts.resolver = Some(resolver()));
    assert_eq!(apply(root.path(), &spec), []);
    assert_eq!(fs::read_to_string(&target).unwrap(), "theirs\n");
    assert!(!etc.join("resolv.conf").is_symlink());
    let text = fs::read_to_string(etc.join("resolv.conf")).unwrap();
    assert_eq!(text, resolv_conf(&resolver()));
}

#[test]
fn a_folder_that_is_a_link_out_of_the_root_leads_to_a_place_inside() {
    let outside = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    symlink(outside.path(), root.path().join("etc")).unwrap();
    let spec = spec(|parts| parts.resolver = Some(resolver()));
    let failures = apply(root.path(), &spec);
    assert_eq!(failures.len(), 1);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_root_that_is_not_there_is_a_failure_with_its_errno() {
    let root = tempfile::tempdir().unwrap();
    let failures = apply(&root.path().join("gone"), &spec(|_| {}));
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].errno, libc::ENOENT);
}

#[test]
fn a_file_that_is_a_mount_point_is_written_in_place() {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    let root = tempfile::tempdir().unwrap();
    let etc = root.path().join("etc");
    fs::create_dir(&etc).unwrap();
    fs::write(
        etc.join("resolv.conf"),
        "theirs, and longer than what comes\n",
    )
    .unwrap();
    let source = root.path().join("source");
    fs::write(&source, "x".repeat(1000)).unwrap();
    let path = root.path().to_owned();
    let thread = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace needs root");
        let none: Option<&str> = None;
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(none, "/", none, private, none).unwrap();
        let target = path.join("etc/resolv.conf");
        mount(
            Some(&path.join("source")),
            &target,
            none,
            MsFlags::MS_BIND,
            none,
        )
        .unwrap();
        let spec = spec(|parts| parts.resolver = Some(resolver()));
        assert_eq!(apply(&path, &spec), []);
        assert_eq!(
            fs::read_to_string(&target).unwrap(),
            resolv_conf(&resolver())
        );
        assert!(!path.join("etc/.resolv.conf.tether-net").exists());
    });
    thread.join().unwrap();
    assert_eq!(
        fs::read_to_string(&source).unwrap(),
        resolv_conf(&resolver())
    );
}

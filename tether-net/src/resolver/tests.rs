use super::*;
use protocol::spec::{Generation, HostEntry, Incarnation, SpecId};
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
    let own = "10.0.0.2\tweb web.vch.internal\n# The last line of tether-net.\n";
    assert!(text.ends_with(own), "{text}");
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

/// Returns the lines of hosts below the agent's own.
fn others(root: &std::path::Path) -> String {
    let text = fs::read_to_string(root.join("etc/hosts")).unwrap();
    let (_, others) = text.split_once("# The last line of tether-net.\n").unwrap();
    others.to_owned()
}

#[test]
fn lines_of_hosts_that_the_container_wrote_are_kept() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("etc/hosts");
    let mut files = Files::new(root.path(), HostnameScope::Auto);
    let named = |names: &[&str]| {
        let hosts = names.iter().map(|name| entry("10.0.0.2", name)).collect();
        spec(|parts| parts.hosts = hosts)
    };
    fs::create_dir(root.path().join("etc")).unwrap();
    fs::write(&path, "10.9.9.9 image\n").unwrap();
    assert_eq!(files.apply(&named(&["web"])), []);
    assert_eq!(
        others(root.path()),
        "",
        "the image's file is not the container's"
    );
    // Below the agent's lines, above them, and among them.
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("10.1.1.1 below\n");
    let text = text.replace("\n::1\t", "\n10.3.3.3 among\n::1\t");
    fs::write(&path, format!("10.2.2.2 above\n{text}")).unwrap();
    assert_eq!(files.apply(&named(&["web", "www"])), []);
    let all = "10.2.2.2 above\n10.3.3.3 among\n10.1.1.1 below\n";
    assert_eq!(others(root.path()), all);
    let now = fs::read_to_string(&path).unwrap();
    assert!(
        now.contains("10.0.0.2\tweb www\n") && !now.contains("web\n"),
        "{now}"
    );
    // An agent that has just begun knows its part by its first and last line.
    assert_eq!(apply(root.path(), &named(&["web"])), []);
    assert_eq!(others(root.path()), all);
}

#[test]
fn a_hosts_file_that_the_container_wrote_anew_gets_the_agents_lines_and_keeps_its_own() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("etc/hosts");
    let mut files = Files::new(root.path(), HostnameScope::Auto);
    let hosts = |name: &str| {
        let hosts = vec![entry("10.0.0.2", name)];
        spec(|parts| parts.hosts = hosts)
    };
    assert_eq!(files.apply(&hosts("web")), []);
    fs::write(
        &path,
        "127.0.0.1\tlocalhost\n10.0.0.2\tweb\n10.1.1.1 mine\n",
    )
    .unwrap();
    assert_eq!(files.apply(&hosts("www")), []);
    assert_eq!(others(root.path()), "10.1.1.1 mine\n");
}

#[test]
fn a_hosts_file_of_an_older_agent_is_all_its_own() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let old = format!("{OWN_LINE}127.0.0.1\tlocalhost\n10.0.0.2\told\n");
    fs::write(root.path().join("etc/hosts"), old).unwrap();
    let new = spec(|parts| parts.hosts = vec![entry("10.0.0.2", "new")]);
    assert_eq!(apply(root.path(), &new), []);
    assert_eq!(others(root.path()), "");
}

#[test]
fn a_resolv_conf_that_was_edited_is_left_alone_until_the_next_life() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("etc/resolv.conf");
    let text = || fs::read_to_string(&path).unwrap();
    let mut files = Files::new(root.path(), HostnameScope::Auto);
    let asks = |server: &str, life: u8| {
        let resolver = Resolver::new(vec![server.parse().unwrap()], vec![], vec![]).unwrap();
        spec(|parts| {
            parts.id.incarnation = Incarnation([life; 16]);
            parts.resolver = Some(resolver);
        })
    };
    assert_eq!(files.apply(&asks("10.0.0.1", 1)), []);
    assert_eq!(files.apply(&asks("10.0.0.2", 1)), []);
    assert!(
        text().contains("10.0.0.2"),
        "as it was written, it follows the spec"
    );
    fs::write(&path, "nameserver 9.9.9.9\n").unwrap();
    assert_eq!(files.apply(&asks("10.0.0.3", 1)), []);
    assert_eq!(files.apply(&asks("10.0.0.4", 1)), []);
    assert_eq!(text(), "nameserver 9.9.9.9\n");
    assert_eq!(files.apply(&asks("10.0.0.5", 2)), []);
    assert!(
        text().contains("10.0.0.5"),
        "a new life begins with the spec's"
    );
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
fn a_folder_that_is_a_link_out_of_the_root_leads_to_a_path_inside() {
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

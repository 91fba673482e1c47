//! An ordinary user of the host (uid 65534, no capability) reaches nothing of a running VCH.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here fails the test at its place"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::{Coordinator, Lab, Need, Topology, prerequisites};

/// Runs a shell's command as that user in the namespace of the VCH; `words` are its parameters.
fn as_user(topology: &Topology, script: &str, words: &[PathBuf]) -> (bool, String) {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["--no-new-privs", "sh", "-c", script, "sh"])
        .args(words);
    let output = topology.vch.output(command).unwrap();
    let told = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&told).into_owned(),
    )
}

/// Everything below a directory, and itself.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_owned()];
    let mut next = 0;
    while let Some(path) = all.get(next).cloned() {
        next += 1;
        if path.symlink_metadata().unwrap().is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            all.extend(entries.map(|entry| entry.unwrap().path()));
        }
    }
    all
}

/// Prints each path that can be read, written, entered or listed: access(2) asks the kernel for a socket's
/// rights as connect(2) does.
const WALK: &str = r#"for path; do
    if [ -r "$path" ] || [ -w "$path" ] || [ -x "$path" ]; then echo "$path"; fi
done"#;
const LOCK: &str = r#"exec 9<"$1" && flock --nonblock 9"#;
/// `ip` opens the tap by name (TUNSETIFF); some hosts' device is root's alone, so that the test brings one.
const TAP: &str = "mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && \
     exec setpriv --reuid=65534 --regid=65534 --clear-groups ip tuntap del dev \"$0\" mode tap";

fn attach(topology: &Topology, tap: &str) -> (bool, String) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", TAP, tap]);
    let output = topology.vch.output(command).unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), told)
}

#[test]
fn an_ordinary_user_opens_no_state_no_socket_no_lock_and_no_tap() {
    prerequisites::check(Need::NAMESPACES).unwrap();
    let lab = Lab::of_namespaces("users").unwrap();
    let topology = lab.topology().unwrap();
    // The user comes as far as the VCH's own directories, as in /var/lib and /run.
    fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let docker = lab.path("docker.sock");
    let tables = Coordinator::docker_table(&docker);
    let mut vch = Coordinator::start_with(&lab, &topology.vch, &tables).unwrap();
    fs::set_permissions(vch.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    let (state, run) = (vch.dir().join("state"), vch.dir().join("run"));
    vch.vchctl("network create web").unwrap();
    vch.vchctl("container add app").unwrap();
    vch.vchctl("container connect app web").unwrap();
    // What an older release left, or an administrator who copied a ledger back.
    vch.stop().unwrap();
    let disk = state.join("containers/0123456789abcdef0123456789abcdef");
    fs::create_dir_all(&disk).unwrap();
    fs::write(disk.join("upper.ext4"), "secret").unwrap();
    for path in below(&state).into_iter().chain(below(&run)) {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    vch.restart().unwrap();

    // The probe itself works: the user opens a file beside, and locks it.
    let (open, told) = as_user(&topology, WALK, &[vch.dir().join("vch.toml")]);
    assert!(open && told.contains("vch.toml"), "{told}");
    let (locked, told) = as_user(&topology, LOCK, &[vch.dir().join("vch.toml")]);
    assert!(locked, "{told}");

    let mut paths: Vec<_> = [&state, &run]
        .into_iter()
        .flat_map(|one| below(one))
        .collect();
    for wanted in ["ledger.redb", "lock", "api.sock", "upper.ext4", "tether"] {
        let found = paths.iter().any(|path| path.ends_with(wanted));
        assert!(found, "{wanted} is in {paths:?}");
    }
    paths.push(docker);
    assert_eq!(as_user(&topology, WALK, &paths), (true, String::new()));
    let (locked, told) = as_user(&topology, LOCK, &[state.join("lock")]);
    assert!(!locked && told.contains("denied"), "{told}");
    // Each by itself, too: what lies below would be closed even if the directories above were not.
    for path in below(&state) {
        let mode = path.metadata().unwrap().permissions().mode();
        let images = path.starts_with(state.join("images"));
        assert!(images || mode & 0o077 == 0, "{}: {mode:o}", path.display());
    }

    let links = topology.vch.ip("-o link show").unwrap();
    let taps = links.lines().filter_map(|line| line.split(": ").nth(1));
    let taps: Vec<_> = taps.filter(|name| name.starts_with("vt-")).collect();
    assert!(!taps.is_empty(), "{links}");
    for tap in taps {
        let (attached, told) = attach(&topology, tap);
        assert!(!attached && told.contains("not permitted"), "{tap}: {told}");
    }
}

//! What a job of `vch-image` can't reach: this program enters the sandbox in its place, and tries.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use nix::libc;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use vch_image_store::Settings;
use vch_image_store::subprocess::{Confinement, Entered, Needs};

const NAMES: [&str; 2] = [
    "a_job_reaches_no_file_socket_or_program_but_what_it_needs",
    "a_file_limit_at_any_point_of_the_start_removes_no_image",
];
/// In the environment: what the process within can't be told otherwise.
const OPEN: &str = "open";

fn main() {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some((confinement, within)) = Confinement::parse(args.iter().cloned()) {
        return probe(&confinement, within);
    }
    let args: Vec<_> = args.iter().filter_map(|word| word.to_str()).collect();
    if let [OPEN, dir, files] = args.as_slice() {
        return open(Path::new(dir), files.parse().unwrap());
    }
    // As libtest and nextest ask.
    if args.contains(&"--list") {
        if !args.contains(&"--ignored") {
            NAMES.iter().for_each(|name| println!("{name}: test"));
        }
        return;
    }
    let filter = args.iter().find(|word| !word.starts_with('-'));
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(*filter));
    if wanted(NAMES[0]) {
        reaches_nothing();
    }
    if wanted(NAMES[1]) {
        limits_remove_nothing();
    }
    println!("\ntest result: ok");
}

/// Enters as `vch-image` does, and tells what it then can do: a line each.
fn probe(confinement: &Confinement, within: bool) {
    match confinement.enter(within).unwrap() {
        Entered::Within => {}
        Entered::Ended(status) => {
            assert!(status.success(), "{status}");
            return;
        }
    }
    let tell = |what: &str, done: io::Result<String>| match done {
        Ok(found) => println!("{what}=yes {found}"),
        Err(error) => println!("{what}=no {error}"),
    };
    let done = |result: io::Result<()>| result.map(|()| String::new());
    let shown = |path: &str| {
        let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().into_string().unwrap()));
        let mut names = names.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names.join(","))
    };
    tell("own", fs::read_to_string("own"));
    tell("write", done(fs::write("new", "1")));
    tell("root", shown("/"));
    for path in ["/etc/passwd", "/proc/self/status", "/sys/kernel"] {
        tell(path, fs::metadata(path).map(|_| String::new()));
    }
    let others = confinement.dir.parent().unwrap();
    tell("others", done(fs::metadata(others).map(drop)));
    tell("make root", done(fs::write("/evil", "")));
    tell(
        "up",
        done(fs::read_dir("../..").map(drop)).and(shown("../..")),
    );
    tell("tcp", done(TcpStream::connect("127.0.0.1:9").map(drop)));
    tell("udp", done(UdpSocket::bind("127.0.0.1:0").map(drop)));
    tell("listen", done(TcpListener::bind("127.0.0.1:0").map(drop)));
    tell("unix", done(UnixListener::bind("socket").map(drop)));
    let socket = |family| {
        let kind = nix::sys::socket::SockType::Datagram;
        let made =
            nix::sys::socket::socket(family, kind, nix::sys::socket::SockFlag::empty(), None);
        made.map(|_| String::new()).map_err(io::Error::from)
    };
    tell("inet", socket(nix::sys::socket::AddressFamily::Inet));
    tell("netlink", socket(nix::sys::socket::AddressFamily::Netlink));
    tell("packet", socket(nix::sys::socket::AddressFamily::Packet));
    tell("vsock", socket(nix::sys::socket::AddressFamily::Vsock));
    let started = Command::new("/usr/bin/true").status();
    tell("start", started.map(|status| status.to_string()));
    let apart = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUSER);
    tell("user namespace", done(apart.map_err(io::Error::from)));
    let root = nix::unistd::setuid(nix::unistd::Uid::from_raw(0));
    tell("become root", done(root.map_err(io::Error::from)));
    let limit = nix::sys::resource::setrlimit(
        nix::sys::resource::Resource::RLIMIT_NPROC,
        libc::RLIM_INFINITY,
        libc::RLIM_INFINITY,
    );
    tell("raise a limit", done(limit.map_err(io::Error::from)));
    let ids = (nix::unistd::getuid(), nix::unistd::getgid());
    tell(
        "user",
        Ok(format!("{} {} {}", ids.0, ids.1, std::process::id())),
    );
    let variables: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
    tell("environment", Ok(variables.join(",")));
}

fn probed(needs: Needs, dir: &Path, user: u32) -> BTreeMap<String, String> {
    let confinement = Confinement {
        dir: dir.to_owned(),
        user,
        file_bytes: 1 << 20,
        needs,
    };
    let mut probe = Command::new(std::env::current_exe().unwrap());
    let output = probe.args(confinement.args()).env_clear().output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{needs:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let pairs = text.lines().map(|line| line.split_once('=').unwrap());
    pairs
        .map(|(what, done)| (what.to_owned(), done.to_owned()))
        .collect()
}

fn reaches_nothing() {
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let staging = base.path().join("staging");
    fs::create_dir(&staging).unwrap();
    let user = Settings::FIRST_USER;
    for (name, user) in [("mine", user), ("other", user + 1)] {
        let dir = staging.join(name);
        fs::create_dir(&dir).unwrap();
        // A neighbour whose directory is open to all is hidden nevertheless.
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        chown(&dir, Some(user), Some(user)).unwrap();
        fs::write(dir.join("own"), name).unwrap();
    }
    let mine = staging.join("mine");
    for needs in [Needs::Nothing, Needs::Network, Needs::Programs] {
        let found = probed(needs, &mine, user);
        let may = |what: &str| found[what].starts_with("yes");
        let network = needs == Needs::Network;
        assert_eq!(found["own"], "yes mine", "{needs:?}");
        assert!(may("write"), "{needs:?}: {found:?}");
        for what in [
            "/etc/passwd",
            "/proc/self/status",
            "/sys/kernel",
            "others",
            "make root",
            "udp",
            "listen",
            "unix",
            "netlink",
            "packet",
            "vsock",
            "user namespace",
            "become root",
            "raise a limit",
        ] {
            assert!(!may(what), "{needs:?}: {what}: {}", found[what]);
        }
        assert_eq!(may("inet"), network, "{needs:?}: {}", found["inet"]);
        assert!(!may("tcp"));
        // Nothing listens there: but it was asked.
        assert_eq!(
            found["tcp"].contains("refused"),
            network,
            "{}",
            found["tcp"]
        );
        assert_eq!(may("start"), needs == Needs::Programs, "{}", found["start"]);
        let root = match needs {
            Needs::Nothing => "yes work".to_owned(),
            Needs::Network => "yes etc,work".to_owned(),
            Needs::Programs => found["root"].clone(),
        };
        assert_eq!((&found["root"], &found["up"]), (&root, &root), "{needs:?}");
        for secret in ["home", "root", "srv", "tmp", "var", "run", "proc", "sys"] {
            assert!(
                !found["root"].split([' ', ',']).any(|name| name == secret),
                "{}",
                found["root"]
            );
        }
        // The first process of a namespace of its own.
        assert_eq!(found["user"], format!("yes {user} {user} 1"));
        assert_eq!(found["environment"], "yes ");
        fs::remove_file(mine.join("new")).unwrap();
    }
    let other = fs::read_dir(staging.join("other")).unwrap().count();
    assert_eq!(other, 1, "nothing is left with a neighbour");
}

fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_owned(),
        helper: env!("CARGO_BIN_EXE_vch-image").into(),
        first_user: Settings::FIRST_USER,
        writable_layer_bytes: 1 << 30,
        insecure: Vec::new(),
        limits: vch_image_store::Limits::default(),
        free_bytes: None,
    }
}

/// Opens a store with so few descriptors.
fn open(dir: &Path, files: u64) {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, files, files)
        .unwrap();
    match vch_image_store::Store::open(settings(dir)) {
        Ok(store) => println!("{}", store.list().len()),
        Err(error) => println!("{error}"),
    }
}

fn limits_remove_nothing() {
    let base = tempfile::tempdir().unwrap();
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let dir = base.path().join("images");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = vch_image_store::Store::open(settings(&dir)).unwrap();
        let empty = vch_image_store::tar::Writer::new(Vec::new())
            .finish()
            .unwrap();
        let progress = tokio::sync::mpsc::channel(1).0;
        let import = vch_image_store::Import {
            name: Some("a".parse().unwrap()),
            ..Default::default()
        };
        let image = store
            .import(empty.as_slice(), import, &progress)
            .await
            .unwrap();
        store.rootfs(&image.id).await.unwrap();
    });
    drop(runtime);
    let files = |name: &str| fs::read_dir(dir.join(name)).unwrap().count();
    let before = (
        files("blobs/sha256"),
        files("rootfs"),
        fs::read(dir.join("index.json")).unwrap(),
    );
    let mut opened = 0;
    for limit in 1..16 {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.arg(OPEN).arg(&dir).arg(limit.to_string());
        let output = program.output().unwrap();
        opened += usize::from(output.stdout == b"1\n");
        let now = (
            files("blobs/sha256"),
            files("rootfs"),
            fs::read(dir.join("index.json")).unwrap(),
        );
        assert_eq!(now, before, "{limit} descriptors");
    }
    assert!(opened > 0, "some of these limits let it start");
}

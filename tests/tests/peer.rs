//! The peer that the VCH's Docker endpoint is compared with: starts, answers, and leaves nothing.

use lab::{Lab, Peer, RootFs, Wiretap};

#[test]
fn a_real_dockerd_runs_a_container_and_takes_everything_with_it() {
    let lab = Lab::of_namespaces("peer").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let tap = Wiretap::start(&lab, "tap", &peer.socket()).unwrap();
    let docker = peer.docker().unwrap();
    let files = RootFs::busybox(&lab, "busybox").unwrap();
    docker.import(&files, "busybox").unwrap();
    let said = docker.run("docker run --rm busybox echo hello").unwrap();
    assert_eq!(
        (said.code, said.stdout.as_str()),
        (0, "hello\n"),
        "{said:?}"
    );

    let tapped = lab::Docker::new(&lab, tap.socket()).unwrap();
    let said = tapped.run("docker network inspect nothing").unwrap();
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.stderr.contains("network nothing not found"),
        "{said:?}"
    );
    let heard = tap.take();
    let asked = heard
        .iter()
        .find(|exchange| exchange.path.contains("/networks/"))
        .unwrap();
    assert_eq!((asked.method.as_str(), asked.status), ("GET", Some(404)));
    let said = tapped
        .run("docker run --rm busybox sh -c 'cat; exit 7'")
        .unwrap();
    assert_eq!(said.code, 7, "{said:?}");

    // Its limits are in force, and what is counted is of its containers.
    let limited = "docker run -d --name limited -m 64m --pids-limit 30 busybox sleep 1000";
    assert_eq!(docker.run(limited).unwrap().stderr, "");
    let used = "docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' limited";
    let used = docker.succeed(used).unwrap();
    assert!(
        used.ends_with("/ 64MiB 1") && !used.starts_with("0B"),
        "{used}"
    );

    let name = peer.namespace().name().to_owned();
    docker
        .succeed("docker run -d --name stays busybox sleep 1000")
        .unwrap();
    drop(peer);
    let hierarchies = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let left = hierarchies.map(|hierarchy| hierarchy.path().join(&name));
    let left: Vec<_> = left.filter(|dir| dir.exists()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&*lab.dir().to_string_lossy()), "{mounts}");
}

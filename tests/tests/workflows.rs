//! The document's workflows as scripts of the docker CLI alone, typed at a terminal. A real dockerd is held to those
//! that it can do, so that what they expect is Docker's own.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::io::Write;
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use lab::{Docker, Lab, Peer, RootFs, Way, ask, eventually, places};

const ANSWER: Duration = Duration::from_secs(5);
/// A script's whole life, its containers' included.
const ENDS: Duration = Duration::from_secs(120);
const HELLO: &str = "Hello world!\n";

/// Makes `busybox` and `my_server_image`, which says hello on its ports 80 and 5000.
fn images(lab: &Lab, docker: &Docker) {
    let busybox = RootFs::busybox(lab, "busybox").unwrap();
    docker.import(&busybox, "busybox").unwrap();
    let server = RootFs::busybox(lab, "server").unwrap();
    let server = server.file("/www/index.html", HELLO).unwrap();
    let server = server
        .script(
            "/bin/serve",
            "httpd -p 5000 -h /www\nexec httpd -f -p 80 -h /www",
        )
        .unwrap();
    docker
        .import_running(&server, "my_server_image", "serve")
        .unwrap();
}

/// Runs a script at a terminal of its own and types these lines; `meanwhile` looks before the last one is typed.
fn typed(docker: &Docker, script: &str, lines: &[&str], meanwhile: impl FnOnce()) -> String {
    let script = places::workspace().join("tests/workflows").join(script);
    let mut shell = docker.shell();
    // `script` (of Debian's essential bsdutils) makes the terminal and hands on what is typed.
    let command = format!("exec script -qefc 'sh {}' /dev/null", script.display());
    shell.arg("-c").arg(command);
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = shell.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    let (last, first) = lines.split_last().unwrap();
    for line in first {
        writeln!(stdin, "{line}").unwrap();
    }
    meanwhile();
    writeln!(stdin, "{last}").unwrap();
    eventually(ENDS, "the script ends", || {
        !matches!(running.try_wait(), Ok(None))
    })
    .unwrap();
    drop(stdin);
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

#[test]
fn a_bridge_networks_containers_find_one_another_by_name_on_a_real_dockerd() {
    let lab = Lab::of_namespaces("bridge").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let docker = peer.docker().unwrap();
    images(&lab, &docker);
    let ask = [
        "ping -c 1 server",
        "until wget -qO- http://server; do sleep 1; done",
        "exit",
    ];
    let said = typed(&docker, "bridge.sh", &ask, || {});
    assert!(said.contains("1 packets received"), "{said}");
    assert!(said.contains(HELLO.trim_end()), "{said}");
}

#[test]
fn published_ports_answer_at_the_hosts_address_on_a_real_dockerd() {
    let lab = Lab::of_namespaces("published").unwrap();
    let peer = Peer::start(&lab).unwrap();
    let docker = peer.docker().unwrap();
    images(&lab, &docker);
    let host: IpAddr = "127.0.0.1".parse().unwrap();
    let said = typed(&docker, "published.sh", &["enough"], || {
        for port in [8080, 5000] {
            eventually(ENDS, "the port answers", || {
                let answer = ask(peer.namespace(), host, Way::Http(port), ANSWER).unwrap();
                answer.is_some_and(|answer| answer.contains(HELLO))
            })
            .unwrap();
        }
    });
    assert!(said.contains("80/tcp -> 0.0.0.0:8080"), "{said}");
}

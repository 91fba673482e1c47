//! Images by the docker CLI: pulled from a real registry, run, tagged, removed.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lab::{Boot, Lab, Namespace, Process, RootFs, VmHost, Way, ask, eventually, http, paths};
use serde_json::json;

/// On the VCH's own loopback: such a registry is asked without TLS.
const REGISTRY: &str = "127.0.0.1:5000";
const PORT: u16 = 5000;
const SOON: Duration = Duration::from_secs(20);

/// Debian's `docker-registry` in a namespace.
fn registry(lab: &Lab, namespace: &Namespace, auth: &str) -> Process {
    let unpacked = paths::workspace().join("target/docker-registry");
    image::debian::unpacked("docker-registry", &unpacked).unwrap();
    let config = lab.path("registry.yml");
    let data = lab.path("registry");
    let text = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
        http: {{addr: \"{REGISTRY}\"}}\n{auth}",
        data.display()
    );
    fs::write(&config, text).unwrap();
    let mut program = Command::new(unpacked.join("usr/bin/docker-registry"));
    program.arg("serve").arg(&config);
    let running = namespace.spawn("docker-registry", program).unwrap();
    let local: IpAddr = "127.0.0.1".parse().unwrap();
    eventually(SOON, "the registry answers", || {
        let answer = ask(namespace, local, Way::Http(PORT), SOON);
        answer.is_ok_and(|answer| answer.is_some())
    })
    .unwrap();
    running
}

fn push(namespace: &Namespace, tar: &Path, name: &str, tag: &str) {
    let script = paths::workspace().join("tests/tests/docker_images/push.py");
    let mut python = Command::new("python3");
    python.arg(script).args([REGISTRY, name, tag]).arg(tar);
    let output = namespace.output(python).unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}");
}

#[test]
fn an_image_of_a_registry_is_pulled_and_run() {
    let lab = Lab::of_vms("pull").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Cold).unwrap();
    let _registry = registry(&lab, &topology.vch, "");
    let files = RootFs::busybox(&lab, "files").unwrap();
    push(&topology.vch, &files.tar().unwrap(), "me/app", "1");

    let pulled = host
        .run(&format!("docker pull {REGISTRY}/me/app:1"))
        .unwrap();
    for line in [
        "1: Pulling from me/app",
        "Status: Downloaded newer image for 127.0.0.1:5000/me/app:1",
        "127.0.0.1:5000/me/app:1",
    ] {
        assert!(pulled.lines().any(|said| said == line), "{line}: {pulled}");
    }
    let target = format!("/v1.45/distribution/{REGISTRY}/me/app:1/json");
    let asked = http::ask(host.socket(), "GET", &target, None).unwrap();
    let platforms = json!([{"architecture": "amd64", "os": "linux"}]);
    assert_eq!(asked.body["Platforms"], platforms, "{asked:?}");
    let digest = asked.body["Descriptor"]["digest"].as_str().unwrap();
    assert!(pulled.contains(&format!("Digest: {digest}")), "{pulled}");
    let target = target.replace("app:1", "app:none");
    let asked = http::ask(host.socket(), "GET", &target, None).unwrap();
    let words = "manifest unknown: manifest unknown";
    assert_eq!((asked.status, asked.message()), (404, words));
    let again = host
        .run(&format!("docker pull {REGISTRY}/me/app:1"))
        .unwrap();
    assert!(again.contains("Status: Image is up to date"), "{again}");
    let ran = host.run(&format!("docker run --rm {REGISTRY}/me/app:1"));
    assert_eq!(ran.unwrap(), "pulled");
    host.run(&format!("docker tag {REGISTRY}/me/app:1 app"))
        .unwrap();
    host.run(&format!("docker rmi {REGISTRY}/me/app:1"))
        .unwrap();

    // What is not there is pulled by `docker run`, and what nobody has is refused in dockerd's words.
    push(&topology.vch, &files.tar().unwrap(), "me/other", "latest");
    let ran = host.run(&format!("docker run --rm {REGISTRY}/me/other echo run"));
    assert_eq!(ran.unwrap(), "run");
    let none = host
        .docker
        .run(&format!("docker pull {REGISTRY}/me/app:none"))
        .unwrap();
    assert_eq!(none.code, 1, "{none:?}");
    let words =
        "manifest for 127.0.0.1:5000/me/app:none not found: manifest unknown: manifest unknown";
    assert!(none.stderr.contains(words), "{none:?}");
    host.run("docker rmi app").unwrap();

    // As with dockerd, the answer has begun when the archive is found to be none.
    let broken = host.docker.run("echo none | docker load").unwrap();
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(broken.stderr.starts_with("broken archive"), "{broken:?}");
}

/// No VM runs for it.
#[test]
fn a_login_is_checked_and_a_pull_uses_it() {
    let lab = Lab::of_vms("login").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Cold).unwrap();
    let users = lab.path("users");
    // bcrypt of `p:ss w`, of the least cost.
    let line = "me:$2b$04$GDMDNuVY2uKOH9gnhs/6cuS0rp/9.peeB/doD4xaDbBCERvKU4/Fq\n";
    fs::write(&users, line).unwrap();
    let auth = format!(
        "auth: {{htpasswd: {{realm: us, path: {}}}}}\n",
        users.display()
    );
    let _registry = registry(&lab, &topology.vch, &auth);
    let login = |password: &str| {
        let line = format!("printf '{password}' | docker login -u me --password-stdin {REGISTRY}");
        host.docker.run(&line).unwrap()
    };
    let denied = host
        .docker
        .run(&format!("docker pull {REGISTRY}/me/app:1"))
        .unwrap();
    let words = "pull access denied for 127.0.0.1:5000/me/app, repository does not exist or may require 'docker login'";
    assert!(denied.stderr.contains(words), "{denied:?}");
    let wrong = login("wrong");
    let words = "login attempt to http://127.0.0.1:5000/v2/ failed with status: 401 Unauthorized";
    assert!(wrong.code != 0 && wrong.stderr.contains(words), "{wrong:?}");
    let good = login("p:ss w");
    assert!(
        good.code == 0 && good.stdout.contains("Login Succeeded"),
        "{good:?}"
    );
    // Let in: there is nothing of this name.
    let none = host
        .docker
        .run(&format!("docker pull {REGISTRY}/me/app:1"))
        .unwrap();
    assert!(none.stderr.contains("manifest unknown"), "{none:?}");
    let nowhere = host
        .docker
        .run("printf x | docker login -u me --password-stdin 'me@nowhere'")
        .unwrap();
    assert!(nowhere.code != 0, "{nowhere:?}");
}

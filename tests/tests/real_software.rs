//! Real software, as its official images configure it, made of Debian's packages: it talks by name, is published, says
//! whether it is healthy, stops by its own signal, and goes on where it was.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::time::Duration;

use lab::debian_image::DebianImage;
use lab::{Boot, Lab, Topology, VmHost, Way, ask, eventually};

/// A program of this size begins slowly where instructions are emulated.
const SOON: Duration = Duration::from_secs(120);
/// Set by `make long`.
const LONG: &str = "VCH_LONG";

struct Testbed<'a> {
    topology: &'a Topology,
    host: VmHost<'a>,
}

impl Testbed<'_> {
    fn run(&self, line: &str) -> String {
        self.host.run(line).unwrap()
    }

    /// Waits until a line succeeds with these words in its output.
    fn comes(&self, line: &str, words: &str) {
        eventually(SOON, line, || {
            let said = self.host.docker.run(line);
            said.is_ok_and(|said| said.code == 0 && said.stdout.contains(words))
        })
        .unwrap();
    }

    /// Waits until the published port answers a client outside of the VCH.
    fn served(&self, port: u16) {
        let vch = Topology::VCH.into();
        eventually(SOON, "the published port answers", || {
            let answer = ask(&self.topology.outside, vch, Way::Http(port), SOON);
            answer.is_ok_and(|answer| answer.is_some())
        })
        .unwrap();
    }

    /// Checks that it ends by its own signal, with this code, before it would be killed.
    fn stops(&self, name: &str, code: &str) {
        self.run(&format!("docker stop -t 60 {name}"));
        let state = self.run(&format!(
            "docker inspect -f '{{{{.State.Status}}}} {{{{.State.ExitCode}}}}' {name}"
        ));
        assert_eq!(state, format!("exited {code}"), "{name}");
    }
}

#[test]
fn real_software_runs_as_its_official_images_say() {
    let short = [
        DebianImage::NGINX,
        DebianImage::REDIS,
        DebianImage::POSTGRES,
    ];
    for image in &short {
        image.root_file_system().unwrap();
    }
    let lab = Lab::of_vms("software").unwrap();
    let topology = lab.topology().unwrap();
    let host = VmHost::start(&lab, &topology, Boot::Clone).unwrap();
    let testbed = Testbed {
        topology: &topology,
        host,
    };
    let nothing = testbed.host.left().unwrap();
    for image in short {
        image.import(&testbed.host.docker).unwrap();
    }
    testbed.run("docker network create app");
    testbed.run("docker run -d --name web --network app -p 8080:80 nginx");
    testbed.run(
        "docker run -d --name cache --network app --health-cmd 'redis-cli ping' --health-interval 2s --health-timeout 30s redis",
    );
    testbed
        .run("docker run -d --name db --network app -m 512m -e POSTGRES_PASSWORD=secret postgres");
    testbed.served(8080);
    testbed.comes("docker logs web", "GET / HTTP");
    testbed.comes(
        "docker inspect -f '{{.State.Health.Status}}' cache",
        "healthy",
    );
    // As users of their own, and each by the others' names.
    testbed.comes(
        "docker exec cache sh -c 'ps -o user= -p 1 2>/dev/null || stat -c %U /proc/1'",
        "redis",
    );
    testbed.run("docker exec cache redis-cli set greeting hello");
    testbed.comes(
        "docker exec db pg_isready -h localhost",
        "accepting connections",
    );
    let ask = "docker exec -e PGPASSWORD=secret db psql -h db -U postgres -tAc";
    testbed.comes(
        &format!("{ask} 'create table t as select 42 as n'"),
        "SELECT 1",
    );
    testbed.comes("docker exec db getent hosts cache web", "cache");

    testbed.stops("web", "0");
    testbed.stops("cache", "0");
    testbed.stops("db", "0");
    testbed.run("docker start web cache db");
    testbed.served(8080);
    testbed.comes("docker exec cache redis-cli get greeting", "hello");
    testbed.comes(&format!("{ask} 'select n from t'"), "42");
    testbed.run("docker rm -f web cache db");
    testbed.run("docker network rm app");
    if std::env::var_os(LONG).is_some() {
        others(&testbed);
        nested(&testbed);
    }
    assert_eq!(testbed.host.left().unwrap(), nothing);
}

/// A proxy that finds its server by name, an SSH server, and an application of an ordinary user.
fn others(testbed: &Testbed<'_>) {
    for image in [DebianImage::HAPROXY, DebianImage::SSHD, DebianImage::PYTHON] {
        image.import(&testbed.host.docker).unwrap();
    }
    testbed.run("docker network create services");
    testbed.run("docker run -d --name web --network services app");
    // It makes a table of all files that it may open: 1,048,576.
    testbed.run("docker run -d --name proxy -m 512m --network services -p 8080:80 haproxy");
    testbed.run("docker run -d --name shell --network services -p 2222:22 sshd");
    testbed.served(8080);
    let vch = Topology::VCH.into();
    eventually(SOON, "the SSH server greets", || {
        let greeting = ask(&testbed.topology.outside, vch, Way::Tcp(2222), SOON);
        greeting.is_ok_and(|greeting| greeting.is_some())
    })
    .unwrap();
    testbed.stops("web", "0");
    testbed.stops("proxy", "0");
    testbed.stops("shell", "0");
    testbed.run("docker start web proxy shell");
    testbed.served(8080);
    testbed.run("docker rm -f web proxy shell");
    testbed.run("docker network rm services");
}

/// A dockerd in a privileged container imports, builds and publishes; its own container answers outside of the VCH.
fn nested(testbed: &Testbed<'_>) {
    DebianImage::DOCKER.import(&testbed.host.docker).unwrap();
    testbed.run(
        "docker run -d --name nested --privileged -m 1g --tmpfs /var/lib/docker -p 8080:8080 dockerd",
    );
    testbed.comes("docker exec nested docker version", "Server:");
    println!(
        "the nested dockerd's storage driver: {}",
        testbed.run("docker exec nested docker info -f '{{.Driver}}'")
    );
    testbed.run("docker exec nested import-base");
    testbed.run("docker exec -e DOCKER_BUILDKIT=0 nested docker build -t page /build");
    testbed.run("docker exec nested docker run -d -p 8080:80 page");
    let vch = Topology::VCH.into();
    let answer = || ask(&testbed.topology.outside, vch, Way::Http(8080), SOON);
    eventually(SOON, "the page comes through both publications", || {
        answer().is_ok_and(|answer| answer.is_some())
    })
    .unwrap();
    testbed.run("docker rm -f nested");
}

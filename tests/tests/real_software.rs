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

struct House<'a> {
    topology: &'a Topology,
    host: VmHost<'a>,
}

impl House<'_> {
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

    /// What a client outside of the VCH gets of a page.
    fn served(&self, port: u16) {
        let vch = Topology::VCH.into();
        eventually(SOON, "the published port answers", || {
            let answer = ask(&self.topology.outside, vch, Way::Http(port), SOON);
            answer.is_ok_and(|answer| answer.is_some())
        })
        .unwrap();
    }

    /// It ends by its own signal, with this code, before it would be killed.
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
    let house = House {
        topology: &topology,
        host,
    };
    let nothing = house.host.left().unwrap();
    for image in short {
        image.import(&house.host.docker).unwrap();
    }
    house.run("docker network create app");
    house.run("docker run -d --name web --network app -p 8080:80 nginx");
    house.run(
        "docker run -d --name cache --network app --health-cmd 'redis-cli ping' --health-interval 2s --health-timeout 30s redis",
    );
    house.run("docker run -d --name db --network app -m 512m -e POSTGRES_PASSWORD=secret postgres");
    house.served(8080);
    house.comes("docker logs web", "GET / HTTP");
    house.comes(
        "docker inspect -f '{{.State.Health.Status}}' cache",
        "healthy",
    );
    // As users of their own, and each by the others' names.
    house.comes(
        "docker exec cache sh -c 'ps -o user= -p 1 2>/dev/null || stat -c %U /proc/1'",
        "redis",
    );
    house.run("docker exec cache redis-cli set greeting hello");
    house.comes(
        "docker exec db pg_isready -h localhost",
        "accepting connections",
    );
    let ask = "docker exec -e PGPASSWORD=secret db psql -h db -U postgres -tAc";
    house.comes(
        &format!("{ask} 'create table t as select 42 as n'"),
        "SELECT 1",
    );
    house.comes("docker exec db getent hosts cache web", "cache");

    house.stops("web", "0");
    house.stops("cache", "0");
    house.stops("db", "0");
    house.run("docker start web cache db");
    house.served(8080);
    house.comes("docker exec cache redis-cli get greeting", "hello");
    house.comes(&format!("{ask} 'select n from t'"), "42");
    house.run("docker rm -f web cache db");
    house.run("docker network rm app");
    if std::env::var_os(LONG).is_some() {
        others(&house);
        nested(&house);
    }
    assert_eq!(house.host.left().unwrap(), nothing);
}

/// A proxy that finds its server by name, an SSH server, and an application of an ordinary user.
fn others(house: &House<'_>) {
    for image in [DebianImage::HAPROXY, DebianImage::SSHD, DebianImage::PYTHON] {
        image.import(&house.host.docker).unwrap();
    }
    house.run("docker network create services");
    house.run("docker run -d --name web --network services app");
    // It makes a table of all files that it may open: 1,048,576.
    house.run("docker run -d --name proxy -m 512m --network services -p 8080:80 haproxy");
    house.run("docker run -d --name shell --network services -p 2222:22 sshd");
    house.served(8080);
    let vch = Topology::VCH.into();
    eventually(SOON, "the SSH server greets", || {
        let greeting = ask(&house.topology.outside, vch, Way::Tcp(2222), SOON);
        greeting.is_ok_and(|greeting| greeting.is_some())
    })
    .unwrap();
    house.stops("web", "0");
    house.stops("proxy", "0");
    house.stops("shell", "0");
    house.run("docker start web proxy shell");
    house.served(8080);
    house.run("docker rm -f web proxy shell");
    house.run("docker network rm services");
}

/// A dockerd in a privileged container imports, builds and publishes; its own container answers outside of the VCH.
fn nested(house: &House<'_>) {
    DebianImage::DOCKER.import(&house.host.docker).unwrap();
    house.run(
        "docker run -d --name nested --privileged -m 1g --tmpfs /var/lib/docker -p 8080:8080 dockerd",
    );
    house.comes("docker exec nested docker version", "Server:");
    println!(
        "the nested dockerd's storage driver: {}",
        house.run("docker exec nested docker info -f '{{.Driver}}'")
    );
    house.run("docker exec nested import-base");
    house.run("docker exec -e DOCKER_BUILDKIT=0 nested docker build -t page /build");
    house.run("docker exec nested docker run -d -p 8080:80 page");
    let vch = Topology::VCH.into();
    let answer = || ask(&house.topology.outside, vch, Way::Http(8080), SOON);
    eventually(SOON, "the page comes through both publications", || {
        answer().is_ok_and(|answer| answer.is_some())
    })
    .unwrap();
    house.run("docker rm -f nested");
}

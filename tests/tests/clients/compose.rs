//! docker compose, the CLI's plugin.

use std::time::Duration;

use lab::{Docker, eventually, paths};

/// Of a step with several containers, on a machine that is busy.
const SOON: Duration = Duration::from_secs(120);

/// A project of five services, typed by a person.
struct Project<'a> {
    docker: &'a Docker,
}

/// Five services come up, are scaled, looked into, changed and taken down, so often; nothing is left.
pub fn goes_up_and_down(docker: &Docker, rounds: usize) {
    let networks = "docker network ls --format '{{.Name}}'";
    let before = docker.succeed(networks).unwrap();
    for _ in 0..rounds {
        docker
            .succeed("docker network create of-another-project")
            .unwrap();
        let project = Project { docker };
        project.comes_up();
        project.is_scaled();
        project.is_inspected();
        project.is_changed();
        project.goes_down();
        docker
            .succeed("docker network rm of-another-project")
            .unwrap();
        assert_eq!(docker.succeed(networks).unwrap(), before);
        assert_eq!(docker.succeed("docker ps -aq").unwrap(), "");
    }
}

impl Project<'_> {
    fn compose(&self, words: &str) -> String {
        self.compose_of(&["compose.yml"], words)
    }

    fn changed(&self, words: &str) -> String {
        self.compose_of(&["compose.yml", "compose.changed.yml"], words)
    }

    fn compose_of(&self, files: &[&str], words: &str) -> String {
        let dir = paths::workspace().join("tests/tests/clients");
        let files = files
            .iter()
            .map(|file| format!("-f {}", dir.join(file).display()));
        let files = files.collect::<Vec<_>>().join(" ");
        let line = format!("docker compose --progress plain -p app {files} {words}");
        self.docker.succeed(&line).unwrap()
    }

    fn inspect(&self, container: &str, format: &str) -> String {
        let line = format!("docker inspect {container} --format '{format}'");
        self.docker.succeed(&line).unwrap()
    }

    /// Checks that a service that waits for a healthy one is started after it was healthy, and that static addresses
    /// and aliases are as written.
    fn comes_up(&self) {
        self.compose("up -d");
        assert_eq!(
            self.inspect("app-db-1", "{{.State.Health.Status}}"),
            "healthy"
        );
        let address = "{{.NetworkSettings.Networks.app_back.IPAddress}}";
        assert_eq!(self.inspect("app-db-1", address), "10.88.0.10");
        let of_web = "{{range $name, $endpoint := .NetworkSettings.Networks}}{{$name}} {{end}}";
        assert_eq!(self.inspect("app-web-1", of_web), "app_back app_front");
        assert_eq!(
            self.inspect("app-gateway-1", of_web),
            "app_front of-another-project"
        );
        let internal = "docker network inspect app_back --format '{{.Internal}}'";
        assert_eq!(self.docker.succeed(internal).unwrap(), "true");
        eventually(SOON, "the worker finds both and ends", || {
            self.inspect("app-worker-1", "{{.State.Status}}") == "exited"
        })
        .unwrap_or_else(|error| panic!("{error}: {}", self.compose("logs worker")));
        let found = self.compose("logs --no-log-prefix --no-color worker");
        // It clears a line of a terminal before each, whether there is one or not.
        let found = found.replace("\u{1b}[2K", "");
        assert_eq!(found, "row\nHello world!");
        let listed = self.compose("ps -a --format '{{.Service}} {{.ExitCode}} {{.State}}' worker");
        assert_eq!(listed, "worker 0 exited");
        // A service of a profile is not started.
        assert!(!self.compose("ps -a --services").contains("tool"));
    }

    fn is_scaled(&self) {
        self.compose("up -d --no-recreate --scale web=3 web");
        let ids = self.compose("ps -q web");
        assert_eq!(ids.lines().count(), 3, "{ids}");
        let mut ports: Vec<String> = (1..=3)
            .map(|index| self.compose(&format!("port --index {index} web 80")))
            .collect();
        ports.sort_unstable();
        assert_eq!(ports, ["0.0.0.0:8080", "0.0.0.0:8081", "0.0.0.0:8082"]);
        self.compose("up -d --no-recreate --scale web=1 web");
        assert_eq!(self.compose("ps -q web").lines().count(), 1);
    }

    fn is_inspected(&self) {
        self.compose("--profile debug up -d --no-recreate tool");
        assert_eq!(
            self.compose("--profile debug exec -T tool sh -c 'nc database 5432 </dev/null'"),
            "row"
        );
        assert_eq!(self.compose("exec -T gateway hostname"), "gate");
        let failed = "exec -T gateway sh -c 'ping -c 1 database || echo not there'";
        assert!(self.compose(failed).ends_with("not there"));
        assert!(self.compose("top gateway").contains("sleep 1000"));
        self.compose("restart -t 20 gateway");
        assert_eq!(
            self.compose("ps --services --status running")
                .lines()
                .count(),
            // The tool of the profile among them.
            4
        );
    }

    /// Only the services that changed are made anew.
    fn is_changed(&self) {
        let id = "{{.Id}}";
        let ids = || ["app-db-1", "app-web-1", "app-gateway-1"].map(|name| self.inspect(name, id));
        let before = ids();
        self.changed("up -d");
        let after = ids();
        assert_eq!(before[0], after[0], "the database goes on");
        assert_ne!(before[1], after[1]);
        assert_ne!(before[2], after[2]);
        let address = "{{.NetworkSettings.Networks.app_edge.IPAddress}}";
        assert_eq!(self.inspect("app-gateway-1", address), "10.89.0.20");
        let mtu = self.changed("exec -T gateway cat /sys/class/net/eth0/mtu");
        assert_eq!(mtu, "1400");
        let told = self.changed("exec -T db sh -c 'nc web 80 </dev/null'");
        assert_eq!(told, "Hello again!");
        self.compose("up -d");
        assert_eq!(
            self.compose("exec -T db sh -c 'nc web 80 </dev/null'"),
            "Hello world!"
        );
    }

    fn goes_down(&self) {
        self.changed("--profile debug down -t 20");
        let left = "docker network ls --filter label=com.docker.compose.project=app -q";
        assert_eq!(self.docker.succeed(left).unwrap(), "");
    }
}

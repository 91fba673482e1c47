//! A VCH, and the docker CLI pointed at it.

use std::process::{Command, Output};

use lab::{Coordinator, Lab, Namespace, docker_packages};
use serde_json::Value;

/// A VCH whose Docker API is on a Unix socket and, where certificates are made, on its endpoint.
pub struct World<'a> {
    pub lab: Lab,
    pub vch: Coordinator<'a>,
}

/// What a docker command came to.
#[derive(Debug, PartialEq, Eq)]
pub struct CommandOutput {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn lab(label: &str) -> Lab {
    Lab::of_namespaces(label).unwrap()
}

impl<'a> World<'a> {
    pub fn start(lab: &Lab, namespace: &'a Namespace) -> Self {
        Self::start_with(lab, namespace, "")
    }

    pub fn start_with(lab: &Lab, namespace: &'a Namespace, more: &str) -> Self {
        let socket = lab.path("d.sock");
        let tables = format!("{}{more}", Coordinator::docker_table(&socket));
        let vch = Coordinator::start_with(lab, namespace, &tables).unwrap();
        let lab = lab.clone();
        Self { lab, vch }
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(docker_packages::clients().unwrap().docker);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("DOCKER_CONFIG", self.lab.path("docker-config"));
        command.env("HOME", self.lab.dir()).args(words);
        command
    }

    /// Runs docker over the Unix socket; `version` is `DOCKER_API_VERSION`, empty for the newest.
    pub fn ask(&self, version: &str, words: &[&str]) -> CommandOutput {
        let mut command = self.command(words);
        let socket = self.lab.path("d.sock");
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        if !version.is_empty() {
            command.env("DOCKER_API_VERSION", version);
        }
        output_of(command)
    }

    /// Runs a command that must succeed; gives what it printed.
    pub fn docker(&self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        let output_of = self.ask("", &words);
        assert_eq!(output_of.code, Some(0), "docker {words:?}: {output_of:?}");
        output_of.out.trim_end().to_owned()
    }

    /// Runs a command that must be refused; returns the reason, without the CLI's own prefix.
    pub fn refused(&self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        let output_of = self.ask("", &words);
        assert_eq!(output_of.code, Some(1), "docker {words:?}: {output_of:?}");
        let text = output_of.err.trim_end_matches('\n');
        let head = "Error response from daemon: ";
        text.strip_prefix(head).unwrap_or(text).to_owned()
    }

    /// Lists networks from another namespace, for a few seconds: who is not heard at all is not waited for.
    pub fn ask_from(&self, namespace: &Namespace, variables: &[(&str, &str)]) -> Output {
        let command = self.command(&["network", "ls", "-q"]);
        let mut bounded = Command::new("timeout");
        bounded
            .arg("5")
            .arg(command.get_program())
            .args(command.get_args());
        bounded.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                bounded.env(name, value);
            }
        }
        bounded.envs(variables.iter().copied());
        namespace.output(bounded).unwrap()
    }

    pub fn inspect(&self, version: &str, network: &str) -> Value {
        let output_of = self.ask(version, &["network", "inspect", network]);
        assert_eq!(output_of.code, Some(0), "{output_of:?}");
        let mut all: Vec<Value> = serde_json::from_str(&output_of.out).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

pub fn output_of(mut command: Command) -> CommandOutput {
    let output = command.output().unwrap();
    CommandOutput {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

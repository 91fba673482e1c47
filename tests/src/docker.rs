//! Runs the docker CLI of Debian's packages, as a user does.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::docker_packages::{Clients, clients};
use crate::rootfs::RootFs;
use crate::world::Lab;

/// A docker CLI that talks to one daemon (a VCH or dockerd) by its Unix socket. Its configuration is a directory of the
/// test, not the user's.
#[derive(Debug, Clone)]
pub struct Docker {
    clients: Clients,
    config: PathBuf,
    host: String,
    api_version: Option<String>,
}

/// The exit code and the output of a line that ran in a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// The exit code; -1 if a signal ended the command.
    pub code: i32,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

impl Docker {
    /// Makes a CLI for the daemon at `socket`, which need not run yet. Its configuration is in the directory of `lab`. It negotiates the API version, as a CLI without
    /// settings does. The CLI's packages are downloaded at the first use on a machine.
    ///
    /// # Errors
    /// Returns an error if the packages cannot be downloaded or unpacked, or the configuration cannot be written.
    pub fn new(lab: &Lab, socket: &Path) -> Result<Self> {
        let clients = clients()?;
        let config = lab.path("docker-config");
        let plugins = config.join("cli-plugins");
        fs::create_dir_all(&plugins).context("make a folder for the CLI's configuration")?;
        match symlink(&clients.compose, plugins.join("docker-compose")) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).context("link the plugin `docker compose`");
            }
            _ => {}
        }
        Ok(Self {
            clients,
            config,
            host: format!("unix://{}", socket.display()),
            api_version: None,
        })
    }

    /// Returns the same CLI, which uses one API version from now on, such as `1.41`; `None` lets it negotiate.
    #[must_use]
    pub fn speaking(mut self, api_version: Option<&str>) -> Self {
        self.api_version = api_version.map(str::to_owned);
        self
    }

    /// Runs a line of a POSIX shell in which `docker` is this CLI, waits for its end without a time limit, and returns
    /// its exit code and output. Its standard input is empty.
    ///
    /// # Errors
    /// Returns an error if the shell cannot be started. A line that fails is not an error.
    pub fn run(&self, line: &str) -> Result<CommandOutput> {
        let mut shell = self.shell();
        shell.arg("-c").arg(line).stdin(Stdio::null());
        let output = shell.output().with_context(|| format!("run `{line}`"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(CommandOutput {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    /// Runs a line as [`Docker::run`] does, and returns its standard output without white space at the end.
    ///
    /// # Errors
    /// Returns an error with the output if the line fails.
    pub fn succeed(&self, line: &str) -> Result<String> {
        let said = self.run(line)?;
        ensure!(said.code == 0, "`{line}`: {said:?}");
        Ok(said.stdout.trim_end().to_owned())
    }

    /// Imports a root file system (`docker import`) as the image `image`, whose containers run `sh` unless they are
    /// given another command.
    ///
    /// # Errors
    /// Returns an error if the archive cannot be made or the import fails.
    pub fn import(&self, files: &RootFs, image: &str) -> Result<()> {
        self.import_running(files, image, "sh")
    }

    /// Imports a root file system (`docker import`) as the image `image`, whose containers run `program`, without
    /// arguments, unless they are given another command. `program` is a path, or a name in `/bin`.
    ///
    /// # Errors
    /// Returns an error if the archive cannot be made or the import fails.
    pub fn import_running(&self, files: &RootFs, image: &str, program: &str) -> Result<()> {
        let change = format!("--change 'CMD [\"{program}\"]' --change 'ENV PATH=/bin'");
        let tar = files.tar()?;
        self.succeed(&format!("docker import {change} {} {image}", tar.display()))?;
        Ok(())
    }

    /// Returns the command `sh`, in whose environment `docker` is this CLI. It has no arguments yet: the caller adds
    /// them, such as `-c` and a line, and runs it.
    #[must_use]
    pub fn shell(&self) -> Command {
        let mut shell = Command::new("sh");
        let dir = self
            .clients
            .docker
            .parent()
            .unwrap_or_else(|| Path::new("/"));
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .env("PATH", format!("{}:{path}", dir.display()))
            .env("DOCKER_HOST", &self.host)
            .env("DOCKER_CONFIG", &self.config)
            .env_remove("DOCKER_TLS_VERIFY")
            .env_remove("DOCKER_CERT_PATH")
            .env_remove("DOCKER_CONTEXT");
        match &self.api_version {
            Some(version) => shell.env("DOCKER_API_VERSION", version),
            None => shell.env_remove("DOCKER_API_VERSION"),
        };
        shell
    }
}

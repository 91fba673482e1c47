//! The docker CLI, as a person types it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::peer::{API_VERSION, cli};
use crate::rootfs::RootFs;
use crate::world::Lab;

/// A CLI with its own configuration folder, pointed at a daemon's Unix socket.
#[derive(Debug, Clone)]
pub struct Docker {
    program: PathBuf,
    config: PathBuf,
    host: String,
    api_version: Option<String>,
}

/// What a command said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its exit code; -1 for a signal.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Docker {
    /// Speaks the version that dockerd 20.10 speaks at most.
    pub fn new(lab: &Lab, socket: &Path) -> Result<Self> {
        let config = lab.path("docker-config");
        fs::create_dir_all(&config).context("make a folder for the CLI's configuration")?;
        Ok(Self {
            program: cli()?,
            config,
            host: format!("unix://{}", socket.display()),
            api_version: Some(API_VERSION.to_owned()),
        })
    }

    /// The same, speaking another version; none lets it negotiate.
    #[must_use]
    pub fn speaking(mut self, api_version: Option<&str>) -> Self {
        self.api_version = api_version.map(str::to_owned);
        self
    }

    /// Runs a line of a POSIX shell in which `docker` is this CLI.
    pub fn run(&self, line: &str) -> Result<Said> {
        let mut shell = self.shell();
        shell.arg("-c").arg(line).stdin(Stdio::null());
        let output = shell.output().with_context(|| format!("run `{line}`"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Said {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    /// Runs a line that must succeed; gives its standard output without the last line's end.
    pub fn succeed(&self, line: &str) -> Result<String> {
        let said = self.run(line)?;
        ensure!(said.code == 0, "`{line}`: {said:?}");
        Ok(said.stdout.trim_end().to_owned())
    }

    /// Makes an image of a root file system, in which a shell runs.
    pub fn import(&self, files: &RootFs, image: &str) -> Result<()> {
        self.import_running(files, image, "sh")
    }

    /// Makes an image in which this program runs.
    pub fn import_running(&self, files: &RootFs, image: &str, program: &str) -> Result<()> {
        let change = format!("--change 'CMD [\"{program}\"]' --change 'ENV PATH=/bin'");
        let tar = files.tar()?;
        self.succeed(&format!("docker import {change} {} {image}", tar.display()))?;
        Ok(())
    }

    /// A POSIX shell in which `docker` is this CLI, to be given arguments.
    #[must_use]
    pub fn shell(&self) -> Command {
        let mut shell = Command::new("sh");
        let folder = self.program.parent().unwrap_or_else(|| Path::new("/"));
        let path = std::env::var("PATH").unwrap_or_default();
        shell
            .env("PATH", format!("{}:{path}", folder.display()))
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

//! `make vch`, `make vch-down`: a whole Virtual Container Host on this machine, for a person to type at.
//!
//! ```text
//!   this machine ── vch-docker (198.18.255.253/30) ── docker (198.18.255.254) ── vch ── externals, management: lab::Topology
//! ```
//!
//! The VCH and the world around it are network namespaces. A process in the background holds them: it is `vch hold`, and
//! when it goes, all of it goes.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lab::{
    Coordinator, Lab, RootFs, Topology, docker_packages, eventually, eventually_some, paths,
    registry,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A /30 of RFC 2544's range, in which nothing is routed: this machine, and the VCH's Docker endpoint.
const CALLER: &str = "198.18.255.253/30";
const ENDPOINT: &str = "198.18.255.254";
const CALLERS_LINK: &str = "vch-docker";
const ENDPOINTS_LINK: &str = "docker";
const PORT: u16 = 2376;

/// The first start makes the image of container VMs, and downloads what it is made of.
const UP: Duration = Duration::from_secs(180);
const DOWN: Duration = Duration::from_secs(30);
/// A VM boots twice: once to run, once to be saved.
const TEMPLATE: Duration = Duration::from_secs(120);
/// The image by which the first VM is run; it is removed again.
const FIRST_IMAGE: &str = "vch-first";
/// Files of [`dir`]: what `env` says of the docker CLI, and where the coordinator keeps its state.
const CLIENTS: &str = "clients";
const STATE: &str = "state";

fn main() -> ExitCode {
    let word = env::args().nth(1).unwrap_or_default();
    let done = match word.as_str() {
        "up" => up(),
        "down" => down(),
        "hold" => hold(),
        _ => Err(anyhow::anyhow!("say `vch up` or `vch down`")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the directory of the files for a person: `env`, `pid`, `log` and the certificates.
fn dir() -> PathBuf {
    paths::workspace().join("target/vch")
}

fn up() -> Result<()> {
    let env = dir().join("env");
    if holder().is_some() && env.is_file() {
        println!("# The VCH is up already; `make vch-down` removes it.");
        return show(&env);
    }
    // What a killed one left.
    down()?;
    fs::create_dir_all(dir()).context("make target/vch")?;
    phase("the image of container VMs", || paths::vm_image().map(drop))?;
    phase("the docker CLI", || {
        fs::write(dir().join(CLIENTS), client_lines()?).context("write target/vch/clients")
    })?;
    phase("the start of the VCH", || start(&env))?;
    phase("the saved VM that containers are clones of", || {
        make_template(&env)
    })?;
    show(&env)
}

/// Says what is done and how long it took.
fn phase<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    println!("--- {what}");
    let done = work().with_context(|| what.to_owned())?;
    println!("--- {what}: {:.1} s", began.elapsed().as_secs_f64());
    Ok(done)
}

fn start(env: &Path) -> Result<()> {
    let log = fs::File::create(dir().join("log")).context("make target/vch/log")?;
    let mut command = Command::new("setsid");
    command.arg(env::current_exe().context("find this program")?);
    command.arg("hold").stdin(Stdio::null());
    command
        .stdout(log.try_clone().context("the log")?)
        .stderr(log);
    let mut hold = command.spawn().context("start `vch hold` by `setsid`")?;
    let ready = eventually_some(UP, "the VCH is up", || {
        let ended = !matches!(hold.try_wait(), Ok(None));
        (env.is_file() || ended).then(|| env.is_file())
    });
    let log = || fs::read_to_string(dir().join("log")).unwrap_or_default();
    if !ready.with_context(log)? {
        bail!("the VCH did not start: {}", log());
    }
    Ok(())
}

/// Runs one container, so that the saved VM is there before a person's first `docker run`.
fn make_template(env: &Path) -> Result<()> {
    let lab = Lab::of_namespaces("vch-first")?;
    let tar = RootFs::busybox(&lab, "busybox")?.tar()?;
    let docker = |words: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!(". {}; docker {words}", env.display())]);
        let output = shell.stdin(Stdio::null()).output().context("run docker")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "docker {words}: {said}");
        Ok(())
    };
    docker(&format!(
        "import --change 'ENV PATH=/bin' {} {FIRST_IMAGE}",
        tar.display()
    ))?;
    docker(&format!("run --rm {FIRST_IMAGE} true"))?;
    let state = fs::read_to_string(dir().join(STATE)).context("read target/vch/state")?;
    let templates = Path::new(&state).join("templates");
    eventually(TEMPLATE, "a VM is saved", || {
        let mut made = fs::read_dir(&templates).into_iter().flatten().flatten();
        made.any(|saved| !saved.file_name().to_string_lossy().ends_with(".partial"))
    })?;
    docker(&format!("rmi {FIRST_IMAGE}"))
}

/// Returns the lines of `env` about the docker CLI and its plugin `docker compose`: none if this machine has both.
fn client_lines() -> Result<String> {
    let answers = |words: &[&str]| {
        let mut docker = Command::new("docker");
        let status = docker
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let status = status.stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let (docker, compose) = (answers(&["--version"]), answers(&["compose", "version"]));
    if docker && compose {
        return Ok(String::new());
    }
    let clients = docker_packages::clients()?;
    let mut lines = String::new();
    if !docker {
        let dir = clients.docker.parent().context("the CLI's folder")?;
        lines += &format!(
            "# This machine has no docker CLI: this is Debian 13's.\nexport PATH={}:$PATH\n",
            dir.display()
        );
    }
    let own = env::var_os("HOME").is_some_and(|home| Path::new(&home).join(".docker").exists());
    if own || env::var_os("DOCKER_CONFIG").is_some() {
        // What a person has configured stays in force.
        lines += &format!(
            "# For `docker compose`: mkdir -p ~/.docker/cli-plugins && ln -s {} ~/.docker/cli-plugins/\n",
            clients.compose.display()
        );
        return Ok(lines);
    }
    let config = paths::workspace().join("target/docker");
    let plugin = config.join("cli-plugins/docker-compose");
    fs::create_dir_all(config.join("cli-plugins")).context("make target/docker")?;
    if plugin.symlink_metadata().is_err() {
        symlink(&clients.compose, &plugin).context("link the plugin `docker compose`")?;
    }
    let config = config.canonicalize().context("target/docker")?;
    lines += &format!(
        "# Where the plugin `docker compose` is, Debian 13's.\nexport DOCKER_CONFIG={}\n",
        config.display()
    );
    Ok(lines)
}

fn show(env: &Path) -> Result<()> {
    print!(
        "{}",
        fs::read_to_string(env).context("read target/vch/env")?
    );
    Ok(())
}

/// Holds the VCH until it is told to end.
fn hold() -> Result<()> {
    let pid = dir().join("pid");
    fs::write(&pid, std::process::id().to_string()).context("write target/vch/pid")?;
    let lab = Lab::of_namespaces("vch")?;
    let topology = lab.topology()?;
    joined(&topology)?;
    let tls = dir().join("tls");
    certificates(&tls)?;
    let shown = tls.canonicalize().context("target/vch/tls")?;
    let shown = shown.display();
    let endpoint = format!(
        "[docker_endpoint]\ninterface = \"{ENDPOINTS_LINK}\"\naddress = \"{ENDPOINT}\"\nport = {PORT}\n\
         tls = {{ ca = \"{shown}/server/ca.pem\", cert = \"{shown}/server/cert.pem\", key = \"{shown}/server/key.pem\" }}\n"
    );
    let tables = format!("{}{endpoint}", Coordinator::runtime_table()?);
    let vch = Coordinator::start_with(&lab, &topology.vch, &tables)?;
    let state = vch.dir().join("state");
    fs::write(dir().join(STATE), state.display().to_string()).context("write target/vch/state")?;
    let text = environment(&topology, &vch, &format!("{shown}/client"))?;
    let partial = dir().join("env.partial");
    fs::write(&partial, text).context("write target/vch/env")?;
    fs::rename(&partial, dir().join("env")).context("write target/vch/env")?;
    loop {
        // A signal ends this process: the registry removes what there is first.
        std::thread::park();
    }
}

/// Makes the one link between this machine and the VCH, with a network of two addresses.
fn joined(topology: &Topology) -> Result<()> {
    let vch = topology.vch.name();
    ip(&format!(
        "link add {CALLERS_LINK} type veth peer name {ENDPOINTS_LINK} netns {vch}"
    ))?;
    ip(&format!("address add {CALLER} dev {CALLERS_LINK}"))?;
    ip(&format!("link set {CALLERS_LINK} up"))?;
    topology
        .vch
        .ip(&format!("address add {ENDPOINT}/30 dev {ENDPOINTS_LINK}"))?;
    topology.vch.ip(&format!("link set {ENDPOINTS_LINK} up"))?;
    Ok(())
}

fn ip(words: &str) -> Result<()> {
    let output = Command::new("ip").args(words.split_whitespace()).output();
    let output = output.with_context(|| format!("run ip {words}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ip {words}: {said}");
    Ok(())
}

fn certificates(dir: &Path) -> Result<()> {
    let mut vchctl = Command::new(paths::built("vchctl")?);
    vchctl.arg("certs").arg("--dir").arg(dir);
    vchctl.args(["--address", ENDPOINT, "--port", &PORT.to_string()]);
    let output = vchctl.output().context("run vchctl certs")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "vchctl certs: {said}");
    Ok(())
}

/// Returns the text of `env`, which a shell sources and a person reads.
fn environment(topology: &Topology, vch: &Coordinator<'_>, client: &str) -> Result<String> {
    let outside = topology.outside.name();
    let socket = vch.socket();
    let clients = fs::read_to_string(dir().join(CLIENTS)).context("read target/vch/clients")?;
    Ok(format!(
        "# A Virtual Container Host is up. In a shell: . target/vch/env\n\
         {clients}\
         export DOCKER_HOST=tcp://{ENDPOINT}:{PORT}\n\
         export DOCKER_TLS_VERIFY=1\n\
         export DOCKER_CERT_PATH={client}\n\
         # Where published ports answer, and where containers on vic-production are: for `make outside CMD='...'`.\n\
         export VCH_EXTERNAL_ADDRESS={}\n\
         export VCH_PRODUCTION_ADDRESS={}\n\
         export VCH_GATEWAY_ADDRESS={}\n\
         export VCH_OUTSIDE={outside}\n\
         # For vchctl.\n\
         export VCH_SOCKET={}\n\
         # Try: docker network ls\n\
         #      docker network create my-bridge-network\n\
         #      docker run -d --name=server --net=my-bridge-network -p 8080:80 my_server_image\n\
         #      make outside CMD='wget -qO- http://{}:8080'\n\
         # `make vch-down` removes all of it.\n",
        Topology::VCH,
        Topology::PRODUCTION_VCH,
        Topology::GATEWAY,
        socket.display(),
        Topology::VCH,
    ))
}

/// Returns the process that holds the VCH, if it runs.
fn holder() -> Option<i32> {
    let pid: i32 = fs::read_to_string(dir().join("pid"))
        .ok()?
        .trim()
        .parse()
        .ok()?;
    // The process ID may be another process's by now.
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (name.trim() == "vch").then_some(pid)
}

/// Removes all of it, also what a killed one left, and looks whether it is gone.
fn down() -> Result<()> {
    if let Some(pid) = holder() {
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("end the VCH")?;
        eventually(DOWN, "the VCH ends", || holder().is_none())?;
    }
    // The link goes with the VCH's namespace, and that with the last of its VMs.
    eventually(DOWN, &format!("{CALLERS_LINK} goes with the VCH"), || {
        registry::remove_leftovers();
        ip(&format!("link show dev {CALLERS_LINK}")).is_err()
    })?;
    match fs::remove_dir_all(dir()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("remove target/vch")
        }
        _ => Ok(()),
    }
}

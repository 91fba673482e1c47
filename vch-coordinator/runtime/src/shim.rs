//! Starts `vch-shim` processes.

use super::{RuntimeError, Vms, tasks::Tasks};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use vch_shim::Launch;

/// The program's name.
const PROGRAM: &str = "vch-shim";
/// The maximum time from a shim's start until its sockets exist: a host whose disks are busy takes
/// seconds to load a program.
const READY: Duration = Duration::from_secs(60);

/// Starts the shim process of a VM, with `launch` as JSON on its standard input. Returns its
/// process ID when its sockets exist. The shim outlives the coordinator. Cancelling `abort` kills
/// it.
///
/// # Errors
/// If an error is returned, the shim has ended:
/// - [`RuntimeError::File`] if the program or its log file cannot be opened.
/// - [`RuntimeError::NotStarted`] if the shim was not ready within 60 s, or if `abort` was
///   cancelled.
pub async fn spawn(
    vms: &Vms,
    launch: &Launch,
    tasks: &Tasks,
    abort: &CancellationToken,
) -> Result<u32, RuntimeError> {
    let program = program(vms)?;
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| RuntimeError::File { what, path, source }
    };
    let dir = &launch.dir;
    let log = File::create(dir.join("shim.log")).map_err(failed("write into", dir))?;
    let mut child = Command::new(&program)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(failed("start", &program))?;
    let pid = child.id().unwrap_or(0);
    let begun = async {
        let text = serde_json::to_vec(launch)?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let mut input = child.stdin.take().ok_or_else(missing)?;
        input.write_all(&text).await?;
        drop(input);
        let output = child.stdout.take().ok_or_else(missing)?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        Ok::<_, io::Error>(line.trim_end() == "ready")
    };
    let begun = tokio::select! {
        begun = timeout(READY, begun) => begun,
        () = abort.cancelled() => Ok(Err(io::Error::from(io::ErrorKind::Interrupted))),
    };
    match begun {
        Ok(Ok(true)) => {
            // Reaps the process when it ends.
            tasks.spawn(async move { child.wait().await });
            Ok(pid)
        }
        other => {
            // Killing fails only if the process has already ended.
            let _ = child.kill().await;
            let said = std::fs::read_to_string(dir.join("shim.log")).unwrap_or_default();
            let reason = match other {
                Ok(Ok(_)) => said.trim().to_owned(),
                Ok(Err(error)) => format!("{error}: {}", said.trim()),
                Err(_) => format!("it was not ready within {READY:?}"),
            };
            Err(RuntimeError::NotStarted {
                code: 125,
                reason: format!("the VM's shim: {reason}"),
            })
        }
    }
}

/// Makes a template, a saved VM that was booted once: `vch-shim template` boots the VM that
/// `launch` describes, and saves it in the directory `dir`, which appears when the template is
/// complete.
///
/// # Errors
/// - [`RuntimeError::File`] if the program cannot be started.
/// - [`RuntimeError::NotStarted`] if it does not make the template.
pub async fn save(vms: &Vms, launch: &Launch, dir: &Path) -> Result<(), RuntimeError> {
    let program = program(vms)?;
    let failed = |source| RuntimeError::File {
        what: "start",
        path: program.clone(),
        source,
    };
    let mut child = Command::new(&program)
        .arg("template")
        .arg(dir)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    // A program that does not read its input reports the reason on standard error.
    if let (Some(mut input), Ok(text)) = (child.stdin.take(), serde_json::to_vec(launch)) {
        let _ = input.write_all(&text).await;
    }
    let done = child.wait_with_output().await.map_err(failed)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(RuntimeError::NotStarted {
        code: 125,
        reason: format!("no template: {said}"),
    })
}

/// Returns the path of the `vch-shim` program: the configured one, or the one beside the
/// coordinator's program.
///
/// # Errors
/// Returns [`RuntimeError::File`] if the coordinator's own path is unknown.
fn program(vms: &Vms) -> Result<PathBuf, RuntimeError> {
    if let Some(program) = &vms.shim {
        return Ok(program.clone());
    }
    let own = std::env::current_exe().map_err(|source| RuntimeError::File {
        what: "find",
        path: PROGRAM.into(),
        source,
    })?;
    Ok(own.with_file_name(PROGRAM))
}

#[cfg(test)]
mod tests;

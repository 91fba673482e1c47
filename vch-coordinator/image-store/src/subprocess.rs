//! The helper process `vch-image`, which reads everything that comes from outside: its own side,
//! for the program's `main`, and the store's side, which starts it and reads its answers.

pub use crate::sandbox::{Confinement, Entered, Needs, SandboxError};
pub use crate::worker::work;

pub use crate::job::Failure;
use crate::job::{Done, Job, Order, Progress, Word};
use crate::settings::Settings;
use std::io;
use std::path::Path;
use std::process::Stdio;
use thiserror::Error;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

/// The most bytes of a line from the helper: an answer with many images of many layers.
const LINE_BYTES: u64 = 8 << 20;
/// The most bytes of the helper's last output on standard error.
const REASON_BYTES: u64 = 4096;
/// The directories of programs, as login(1) sets them for root.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The reason for which the helper process `vch-image` did not finish its job.
#[derive(Debug, Error)]
pub enum HelperError {
    /// The helper reported a failure.
    #[error("{why}")]
    Refused {
        /// The kind of the failure.
        failure: Failure,
        /// The reason in words.
        why: String,
    },
    /// The helper program can't be started.
    #[error("can't start {program}: build `vch-image` and put it beside the coordinator")]
    Start {
        /// The path of the program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// The helper ended before it answered, for example because it exceeded a limit of its sandbox.
    #[error("the process that unpacks images ended ({status}){reason}")]
    Died {
        /// The exit status or signal, as text.
        status: String,
        /// The helper's last output on standard error, after a colon; empty if it had none.
        reason: String,
    },
    /// The helper wrote a line that is not a valid answer. Has the reason.
    #[error("the process that unpacks images does not make sense: {0}")]
    ProtocolError(String),
    /// The client's archive can't be read.
    #[error("the archive can't be read from the client: {0}")]
    Input(#[source] io::Error),
    /// A pipe to or from the helper failed.
    #[error("the process that unpacks images can't be reached: {0}")]
    Pipe(#[source] io::Error),
}

/// Starts a helper in `dir` and waits for its answer. Dropping the future kills the helper.
///
/// # Errors
/// Returns [`HelperError`] if the helper can't be started, refuses the order or ends early, or if
/// the client's stream fails.
pub(crate) async fn run(
    settings: &Settings,
    dir: &Path,
    user: u32,
    order: &Order,
    input: impl AsyncRead + Unpin,
    progress: &mpsc::Sender<Progress>,
) -> Result<Done, HelperError> {
    let limits = settings.limits;
    let file_bytes = limits
        .packed_bytes
        .max(limits.unpacked_bytes)
        .saturating_mul(2);
    let confinement = Confinement {
        dir: dir.to_owned(),
        user,
        file_bytes,
        needs: match order.job {
            Job::Import | Job::Load => Needs::Nothing,
            Job::Pull(_) | Job::Login(_) | Job::Inspect(_) | Job::Tags(_) => Needs::Network,
            Job::Rootfs { .. } => Needs::Programs,
        },
    };
    let mut child = Command::new(&settings.helper)
        .args(confinement.args())
        // Whatever secrets, proxies and switches the coordinator was started with are not for it.
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| HelperError::Start {
            program: settings.helper.display().to_string(),
            source,
        })?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(HelperError::ProtocolError("it has no pipes".to_owned()));
    };
    let mut line =
        serde_json::to_vec(order).map_err(|error| HelperError::ProtocolError(error.to_string()))?;
    line.push(b'\n');
    let (_, said, reason) = tokio::try_join!(
        feed(stdin, &line, input),
        listen(stdout, progress),
        read_reason(stderr)
    )?;
    finish(child, said, reason).await
}

async fn finish(mut child: Child, said: Option<Word>, reason: String) -> Result<Done, HelperError> {
    let status = child.wait().await.map_err(HelperError::Pipe)?;
    match said {
        Some(Word::Done(done)) if status.success() => Ok(done),
        Some(Word::Failed(failure, why)) => Err(HelperError::Refused { failure, why }),
        _ => {
            let reason = if reason.is_empty() {
                reason
            } else {
                format!(": {reason}")
            };
            let status = status.to_string();
            Err(HelperError::Died { status, reason })
        }
    }
}

/// Passes the order and the input to the helper. A helper that stops reading gives its own reason; a client that
/// breaks off is an error, so that half an archive is never taken for a whole one.
async fn feed(
    mut stdin: ChildStdin,
    line: &[u8],
    mut input: impl AsyncRead + Unpin,
) -> Result<(), HelperError> {
    if stdin.write_all(line).await.is_err() {
        return Ok(());
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = input.read(&mut buffer).await.map_err(HelperError::Input)?;
        if count == 0 || stdin.write_all(&buffer[..count]).await.is_err() {
            return Ok(());
        }
    }
}

/// Returns the helper's last line, and passes progress on; a client that has gone away is ignored.
async fn listen(
    stdout: ChildStdout,
    progress: &mpsc::Sender<Progress>,
) -> Result<Option<Word>, HelperError> {
    let mut lines = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut lines).take(LINE_BYTES);
        bounded
            .read_until(b'\n', &mut line)
            .await
            .map_err(HelperError::Pipe)?;
        if line.is_empty() {
            return Ok(None);
        }
        let protocol_error =
            |error: serde_json::Error| HelperError::ProtocolError(error.to_string());
        match serde_json::from_slice(&line).map_err(protocol_error)? {
            Word::Progress(one) => drop(progress.send(one).await),
            last => return Ok(Some(last)),
        }
    }
}

async fn read_reason(mut stderr: ChildStderr) -> Result<String, HelperError> {
    let mut text = Vec::new();
    let mut bounded = (&mut stderr).take(REASON_BYTES);
    bounded
        .read_to_end(&mut text)
        .await
        .map_err(HelperError::Pipe)?;
    tokio::io::copy(&mut stderr, &mut tokio::io::sink())
        .await
        .map_err(HelperError::Pipe)?;
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

//! Makes templates: VMs that were booted once and saved. Clones of them skip the boot.
//!
//! When a template is saved, the guest's init has opened its connection to the shim and waits for its first message.
//! The memory is a file of its own beside the state of the devices (QEMU's migration capability `x-ignore-shared`).
//! Each clone gets a copy in memory, so that no VM can change the initial state of another. The clones share the
//! kernel's random state at first; the agent reseeds it before the container's process starts.

use crate::{
    foreign::clean,
    launch::Launch,
    memory::{self, MemoryError},
    overheard::{self, Listening},
    qemu::{Qemu, QemuError},
    qmp::{Qmp, QmpError},
};
use nix::sys::stat::{Mode, umask};
use protocol::{
    frame::Decoder,
    message::{Message, SessionNonce},
    process::{FromInit, VERSION},
};
use serde_json::json;
use std::{
    fs::{self, File},
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    path::Path,
    time::Duration,
};
use thiserror::Error;
use tokio::{io::AsyncReadExt, net::UnixStream, time::timeout};

/// The memory's file, and the devices' state, in a template's directory.
const STATE: &str = "state";
/// The state is a fraction of a megabyte.
const MIGRATION: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// For what QEMU said last, once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The reason for which a template (a saved VM) can't be made or restored.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// QEMU can't be started.
    #[error(transparent)]
    Qemu(#[from] QemuError),
    /// QEMU refused a command, or did not answer.
    #[error(transparent)]
    Qmp(#[from] QmpError),
    /// The file of the memory can't be copied.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A file of the template can't be made, read or written.
    #[error("cannot {what} of the template")]
    File {
        /// The operation and its object, as in the sentence "cannot {what} of the template".
        what: &'static str,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The guest's init did not report within this time that it waits for its first message.
    #[error("the template's guest has not answered within {0:?}")]
    Timeout(Duration),
    /// The guest's init speaks this version of the protocol, which this shim does not speak.
    #[error(
        "the template's init speaks version {0} of vch.process, this shim version {VERSION}: make the VM's image and the VCH from one release (`make image`)"
    )]
    Version(u16),
    /// QEMU could not save or restore the VM, for this reason.
    #[error("QEMU cannot carry the template's state over: {0}")]
    Migration(String),
}

fn file(what: &'static str) -> impl FnOnce(io::Error) -> TemplateError {
    move |source| TemplateError::File { what, source }
}

/// Makes a template: boots the kernel and initramfs of `launch`, without the container's two disks and the NICs, until
/// the guest's init waits for its first message. Saves that VM in the directory `dir`, which appears when the template
/// is complete, and ends QEMU. The caller sees to it that no other call makes the same `dir` at the same time.
///
/// # Errors
/// Returns the [`TemplateError`] of the step that failed; `dir` does not exist then.
pub async fn make(launch: &Launch, dir: &Path) -> Result<(), TemplateError> {
    umask(Mode::from_bits_truncate(0o077));
    let partial = dir.with_extension("partial");
    match fs::remove_dir_all(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(file("remove what is left")(error));
        }
        _ => {}
    }
    fs::create_dir_all(&partial).map_err(file("make the folder"))?;
    // QEMU writes into files that go when it ends: whatever it may have left behind holds no file of the template.
    let [memory, state] = [memory::FILE, STATE].map(|name| partial.join(format!("{name}.qemu")));
    let opened = create(&memory)?;
    // The one moment in which an ordinary user may write it.
    std::os::unix::fs::chown(&memory, Some(launch.uid), Some(launch.uid))
        .map_err(file("give the memory away"))?;
    let log = File::create(partial.join("qemu.log")).map_err(file("make the log"))?;
    let mut qemu = Qemu::template(launch, opened.into())?;
    let words = qemu.child.stderr.take();
    let words = words.map(|words| Listening::begin(overheard::record(words, log)));
    let saved = save(launch, &mut qemu, &state).await;
    // It has nothing more to do, however that went.
    let _ = qemu.child.kill().await;
    if let Some(words) = words {
        words.heard(LAST_WORDS).await;
    }
    saved?;
    for (written, name) in [(&memory, memory::FILE), (&state, STATE)] {
        let mut from = File::open(written).map_err(file("open what was saved"))?;
        let mut to = create(&partial.join(name))?;
        memory::copy(&mut from, &mut to)?;
        fs::remove_file(written).map_err(file("remove what was saved"))?;
    }
    fs::rename(&partial, dir).map_err(file("name the folder"))
}

/// Makes a new file that only root opens.
fn create(path: &Path) -> Result<File, TemplateError> {
    let opened = File::options()
        .create_new(true)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path);
    opened.map_err(file("make a file"))
}

async fn save(launch: &Launch, qemu: &mut Qemu, state: &Path) -> Result<(), TemplateError> {
    let control = qemu.control.try_clone().map_err(file("reach QEMU"))?;
    let mut qmp = Qmp::greet(stream(control)?).await?;
    let line = qemu.process.try_clone().map_err(file("reach the guest"))?;
    let deadline = launch.boot_deadline();
    let waits = timeout(deadline, waiting(stream(line)?));
    let version = waits
        .await
        .map_err(|_| TemplateError::Timeout(deadline))?
        .map_err(file("reach the guest"))?;
    if version != VERSION {
        return Err(TemplateError::Version(version));
    }
    qmp.execute("stop", json!({})).await?;
    prepare(&mut qmp, create(state)?.into()).await?;
    let uri = json!({"uri": format!("fd:{STATE}")});
    qmp.execute("migrate", uri).await?;
    carried(&mut qmp).await
}

fn stream(stream: std::os::unix::net::UnixStream) -> Result<UnixStream, TemplateError> {
    let made = stream
        .set_nonblocking(true)
        .and_then(|()| UnixStream::from_std(stream));
    made.map_err(file("reach QEMU"))
}

/// Waits until init waits for its first message, which it says before it knows whose run it is; returns its version.
async fn waiting(mut line: UnixStream) -> io::Result<u16> {
    let mut decoder = Decoder::new();
    let mut buffer = [0; 4096];
    loop {
        let count = line.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut input = &buffer[..count];
        while let Some(frame) = decoder.next(&mut input) {
            let frame = frame.ok().filter(|frame| frame.nonce == SessionNonce::NONE);
            let message = frame.and_then(|frame| FromInit::decode(&frame.payload).ok());
            if let Some(FromInit::Ready { version }) = message {
                return Ok(version);
            }
        }
    }
}

/// Restores the devices' state of the template in the directory `template`, in a QEMU that was started with a copy of
/// the template's memory and `-incoming defer`. `qmp` is the control connection to that QEMU. The VM does not run yet:
/// the command `cont` of QMP lets it run.
///
/// # Errors
/// Returns [`TemplateError::Qmp`] or [`TemplateError::Migration`] if QEMU does not restore it, [`TemplateError::File`]
/// if its files can't be read.
pub async fn restore(qmp: &mut Qmp, template: &Path) -> Result<(), TemplateError> {
    let state = File::open(template.join(STATE)).map_err(file("open the state"))?;
    prepare(qmp, state.into()).await?;
    let uri = json!({"uri": format!("fd:{STATE}")});
    qmp.execute("migrate-incoming", uri).await?;
    carried(qmp).await
}

/// Sets the file for the state, and leaves the memory out of it.
async fn prepare(qmp: &mut Qmp, state: OwnedFd) -> Result<(), TemplateError> {
    qmp.give(STATE, &state).await?;
    let capability = json!({"capability": "x-ignore-shared", "state": true});
    let capabilities = json!({"capabilities": [capability]});
    qmp.execute("migrate-set-capabilities", capabilities)
        .await?;
    Ok(())
}

async fn carried(qmp: &mut Qmp) -> Result<(), TemplateError> {
    let carrying = async {
        loop {
            let answer = qmp.execute("query-migrate", json!({})).await?;
            match answer["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let reason = answer["error-desc"].as_str().unwrap_or("without a reason");
                    return Err(TemplateError::Migration(clean(reason)));
                }
                // QEMU tells of it by events only where it is asked to, and it takes some milliseconds.
                _ => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    };
    let late = || TemplateError::Migration(format!("not within {MIGRATION:?}"));
    timeout(MIGRATION, carrying).await.map_err(|_| late())?
}

/// Returns whether a directory contains the two files of a template (memory and devices' state). Does not check their
/// content.
pub fn is_there(dir: &Path) -> bool {
    [memory::FILE, STATE]
        .iter()
        .all(|name| dir.join(name).is_file())
}

#[cfg(test)]
mod tests;

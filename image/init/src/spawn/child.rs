//! The child's side of the start of a process, after the fork.

use super::handshake::{self, ChildMessage, Received};
use crate::{
    confine::confine,
    descriptors,
    fork::leave,
    reaper,
    start_error::{StartError, failed},
    terminal,
};
use nix::{
    libc,
    sys::{prctl, stat::makedev},
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, getpid, setsid},
};
use protocol::process::Process;
use std::{
    convert::Infallible,
    fs::File,
    os::{
        fd::{AsRawFd, OwnedFd, RawFd},
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

const NULL: &str = "/dev/null";

/// How a child runs its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Whether the program runs below a small init (`docker run --init`).
    pub reaper: bool,
    /// Whether the child waits until init releases it, once it has entered the container.
    pub held: bool,
}

/// The child's ends of the handshake socket and of its streams.
pub struct ChildEnds {
    /// The child's end of the handshake socket.
    pub socket: OwnedFd,
    /// The child's ends of standard input, output and error; `None` for a terminal, which the child makes in the
    /// container.
    pub pipes: Option<[OwnedFd; 3]>,
}

impl ChildEnds {
    /// Enters the container by `enter`, for which it keeps the descriptors `keep` open, and executes the process's
    /// program. Reports to init if that fails.
    pub fn run(
        self,
        process: &Process,
        role: Role,
        keep: &[RawFd],
        enter: impl FnOnce() -> Result<(), StartError>,
    ) -> ! {
        let error = match self.try_run(process, role, keep, enter) {
            Ok(never) => match never {},
            Err(error) => error,
        };
        // Init learns otherwise that it ended.
        let _ = handshake::send(&self.socket, &ChildMessage::Failed(error), None);
        leave(0)
    }

    fn try_run(
        &self,
        process: &Process,
        role: Role,
        keep: &[RawFd],
        enter: impl FnOnce() -> Result<(), StartError>,
    ) -> Result<Infallible, StartError> {
        let null = self.separate(keep)?;
        enter()?;
        let null = containers_null(Path::new(NULL)).unwrap_or(null);
        self.close_others(&[null.as_raw_fd()])?;
        if role.held {
            self.wait_for_release()?;
        }
        self.take_streams(process, &null)?;
        let program = confine(process)?;
        let pid = getpid().as_raw().cast_unsigned();
        handshake::send(&self.socket, &ChildMessage::Executes(pid), None)
            .map_err(failed("tell init"))?;
        Err(if role.reaper {
            reaper::exec(&program)
        } else {
            program.exec()
        })
    }

    /// Leaves init's descriptors and console behind; returns /dev/null, which stands in for the console.
    fn separate(&self, keep: &[RawFd]) -> Result<File, StartError> {
        self.close_others(keep)?;
        // Until its exec no process of the container traces it or takes its descriptors.
        prctl::set_dumpable(false).map_err(failed("hide from the container"))?;
        // The container's own may be anything by now.
        let null = File::open(NULL).map_err(failed("open /dev/null"))?;
        dup2_stdin(&null)
            .and_then(|()| dup2_stdout(&null))
            .and_then(|()| dup2_stderr(&null))
            .map_err(failed("leave init's console"))?;
        Ok(null)
    }

    /// Closes all descriptors but the child's own and `keep`.
    fn close_others(&self, keep: &[RawFd]) -> Result<(), StartError> {
        let pipes = self.pipes.iter().flatten();
        let mut all: Vec<RawFd> = pipes.map(AsRawFd::as_raw_fd).collect();
        all.push(self.socket.as_raw_fd());
        all.extend(keep);
        descriptors::close_others(&all)
    }

    /// Tells init that this child is in its place, and waits for the answer.
    fn wait_for_release(&self) -> Result<(), StartError> {
        handshake::send(&self.socket, &ChildMessage::InPlace, None).map_err(failed("tell init"))?;
        match handshake::wait(&self.socket).map_err(failed("hear init"))? {
            Received::Message(..) => Ok(()),
            // There is no network for it, say.
            Received::Nothing | Received::End => Err(handshake::ended()),
        }
    }

    /// Makes pipes or a terminal of the container's standard input, output and error.
    fn take_streams(&self, process: &Process, null: &File) -> Result<(), StartError> {
        let done = match &self.pipes {
            Some([stdin, stdout, stderr]) => {
                setsid().map_err(failed("begin a session"))?;
                dup2_stdout(stdout).map_err(failed("set standard output"))?;
                dup2_stderr(stderr).map_err(failed("set standard error"))?;
                if process.input {
                    dup2_stdin(stdin)
                } else {
                    dup2_stdin(null)
                }
            }
            None => {
                let (master, slave, name) = terminal::new().map_err(failed("make a terminal"))?;
                if let Some(size) = process.terminal {
                    terminal::resize(&master, size);
                }
                terminal::control(&slave).map_err(failed("take the terminal"))?;
                terminal::make_console(&name);
                let master = Some(master.as_raw_fd());
                handshake::send(&self.socket, &ChildMessage::Terminal, master)
                    .map_err(failed("pass the terminal on"))?;
                dup2_stdout(&slave).map_err(failed("set standard output"))?;
                dup2_stderr(&slave).map_err(failed("set standard error"))?;
                dup2_stdin(&slave)
            }
        };
        done.map_err(failed("set standard input"))
    }
}

/// Opens the container's own /dev/null, if it still is one: what the container has in its place may block, or be
/// anything.
fn containers_null(path: &Path) -> Option<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY;
    let opened = File::options().read(true).custom_flags(flags).open(path);
    let file = opened.ok()?;
    let found = file.metadata().ok()?;
    let is_null = found.file_type().is_char_device() && found.rdev() == makedev(1, 3);
    is_null.then_some(file)
}

#[cfg(test)]
mod tests;

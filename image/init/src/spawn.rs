//! Starts a process, from fork to exec: makes its streams, and the handshake by which the child reports to init.
//!
//! ```text
//!   init: Spawn::prepare ── fork ──► child: closes what is not its own, enters the container,
//!     │                                     [is held until init releases it,] takes its streams, is confined, execs
//!     └─► PendingChild, polled ◄── socket: InPlace · Terminal · Executes · Failed, or the end
//! ```
//!
//! Init never waits for a child: it polls the socket, and kills a child that is late.

mod child;
mod handshake;
mod pending;

pub use child::Role;
pub use pending::{PendingChild, Progress, Started};

use crate::start_error::{StartError, failed};
use child::ChildEnds;
use nix::{fcntl::OFlag, unistd::Pid, unistd::pipe2};
use pending::InitEnds;
use protocol::process::Process;
use std::os::fd::RawFd;

/// A child that is about to be forked: both ends of its handshake socket and of its streams.
pub struct Spawn {
    child: ChildEnds,
    init: InitEnds,
}

impl Spawn {
    /// Makes the handshake socket and the pipes of a process. A process with a terminal gets no pipes.
    ///
    /// # Errors
    /// Returns [`Fault::Other`](protocol::process::Fault::Other) if no descriptor is left.
    pub fn prepare(process: &Process) -> Result<Self, StartError> {
        let (init_socket, child_socket) = handshake::pair().map_err(failed("make a socket"))?;
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(failed("make a pipe"));
        let (init_pipes, child_pipes) = if process.terminal.is_some() {
            (None, None)
        } else {
            let (input, output, error) = (pipe()?, pipe()?, pipe()?);
            (
                Some([input.1, output.0, error.0]),
                Some([input.0, output.1, error.1]),
            )
        };
        Ok(Self {
            child: ChildEnds {
                socket: child_socket,
                pipes: child_pipes,
            },
            init: InitEnds {
                socket: init_socket,
                pipes: init_pipes,
                input: process.input,
            },
        })
    }

    /// Runs the child's side after the fork: enters the container by `enter`, for which it keeps the descriptors `keep`
    /// open, and executes the process's program. Reports to init if that fails.
    pub fn run(
        self,
        process: &Process,
        role: Role,
        keep: &[RawFd],
        enter: impl FnOnce() -> Result<(), StartError>,
    ) -> ! {
        // They are closed by their numbers, with all of init's others.
        std::mem::forget(self.init);
        self.child.run(process, role, keep, enter)
    }

    /// Returns init's side of the handshake with the child that was forked.
    pub fn pending(self, pid: Pid) -> PendingChild {
        PendingChild::new(pid, self.init)
    }
}

#[cfg(test)]
mod tests;

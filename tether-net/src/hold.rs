//! Holds the agent until the process that started it (the VM's init) lets it begin, by standard input. The first byte
//! lets it begin. End-of-file says that the root file system exists, so that files in it can be written.
//!
//! The agent draws no random number before the first byte. If the VM is saved while the agent is held, each clone of it
//! therefore draws its own numbers.

use std::future;
use std::io;
use std::os::fd::AsFd;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// A held agent's standard input (`--hold`): a pipe from the process that started the agent.
#[derive(Debug)]
pub struct Hold {
    pipe: Receiver,
}

impl Hold {
    /// Takes standard input as the pipe to wait on. Needs a tokio runtime.
    ///
    /// # Errors
    /// Returns the system's error if standard input is not a pipe.
    pub fn open() -> io::Result<Self> {
        let pipe = io::stdin().as_fd().try_clone_to_owned()?;
        let pipe = Receiver::from_owned_fd(pipe)?;
        Ok(Self { pipe })
    }

    /// Waits for the first byte, which lets the agent begin. End-of-file before any byte lets it begin too.
    ///
    /// # Errors
    /// Returns the system's error if standard input can't be read.
    pub async fn begun(&mut self) -> io::Result<()> {
        self.pipe.read(&mut [0]).await.map(drop)
    }

    /// Waits for end-of-file, which says that the root file system exists; bytes before it are discarded. With `None`,
    /// which stands for an agent that is not held, it never returns. `hold` is left as it is. Cancel-safe.
    ///
    /// # Errors
    /// Returns the system's error if standard input can't be read.
    pub async fn ended(hold: &mut Option<Self>) -> io::Result<()> {
        let Some(held) = hold else {
            return future::pending().await;
        };
        while held.pipe.read(&mut [0; 64]).await? > 0 {}
        Ok(())
    }
}

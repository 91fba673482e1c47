//! Holds the agent until the process that started it says otherwise on standard input: the first byte lets it begin,
//! the end says that its root exists.
//!
//! Nothing random is drawn before the first byte, so that a clone of a VM that was saved meanwhile draws its own
//! numbers.

use std::future;
use std::io;
use std::os::fd::AsFd;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// An agent that is held until standard input says otherwise.
#[derive(Debug)]
pub struct Hold {
    pipe: Receiver,
}

impl Hold {
    /// Makes a hold of standard input.
    ///
    /// # Errors
    /// Returns the system's error if standard input is not a pipe.
    pub fn open() -> io::Result<Self> {
        let pipe = io::stdin().as_fd().try_clone_to_owned()?;
        let pipe = Receiver::from_owned_fd(pipe)?;
        Ok(Self { pipe })
    }

    /// Waits for the first byte, or the end.
    ///
    /// # Errors
    /// Returns the system's error if standard input can't be read.
    pub async fn begun(&mut self) -> io::Result<()> {
        self.pipe.read(&mut [0]).await.map(drop)
    }

    /// Waits for the end; for ever if the end has come in an earlier call. May be dropped and
    /// called again.
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

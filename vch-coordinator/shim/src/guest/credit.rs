//! Counts how much output of a guest's process may still arrive before the shim acknowledges it (its window). The shim
//! keeps the count itself, since the guest's count can't be trusted.

use protocol::process::{Output, WINDOW};
use std::sync::atomic::{AtomicU32, Ordering};

/// The number of bytes that each output stream of one process may still send: the rest of its window.
#[derive(Debug)]
pub struct Credit {
    stdout: AtomicU32,
    stderr: AtomicU32,
}

impl Default for Credit {
    fn default() -> Self {
        Self {
            stdout: AtomicU32::new(WINDOW),
            stderr: AtomicU32::new(WINDOW),
        }
    }
}

impl Credit {
    /// Subtracts bytes that arrived from the window of a stream. Returns `false` if they exceed it.
    pub fn spend(&self, stream: Output, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else {
            return false;
        };
        let less = |left: u32| left.checked_sub(bytes);
        let left = self.of(stream);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// Adds bytes that were passed on to the window of a stream again. Called before the guest is told so.
    pub fn give_back(&self, stream: Output, bytes: u32) {
        let more = |left: u32| Some(left.saturating_add(bytes).min(WINDOW));
        // It always updates.
        let _ = self
            .of(stream)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn of(&self, stream: Output) -> &AtomicU32 {
        match stream {
            Output::Stdout => &self.stdout,
            Output::Stderr => &self.stderr,
        }
    }
}

#[cfg(test)]
mod tests;

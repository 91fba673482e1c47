//! How much a process of the guest may have under way, counted at this end: the guest is not believed.

use protocol::process::{Output, WINDOW};
use std::sync::atomic::{AtomicU32, Ordering};

/// What is left of the window of each of a process's streams.
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
    /// Counts what came; whether it was within the window.
    pub fn spend(&self, stream: Output, bytes: usize) -> bool {
        let Ok(bytes) = u32::try_from(bytes) else {
            return false;
        };
        let less = |left: u32| left.checked_sub(bytes);
        let left = self.of(stream);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }

    /// Gives back what was carried on; before the guest is told.
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

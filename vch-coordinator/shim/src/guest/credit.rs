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
mod tests {
    use super::Credit;
    use protocol::process::{
        Output::{Stderr, Stdout},
        WINDOW,
    };

    #[test]
    fn a_stream_has_its_window_and_no_byte_more_until_some_is_given_back() {
        let credit = Credit::default();
        let window = usize::try_from(WINDOW).unwrap();
        assert!(credit.spend(Stdout, window));
        assert!(!credit.spend(Stdout, 1));
        assert!(credit.spend(Stderr, window), "each stream has its own");
        credit.give_back(Stdout, 10);
        assert!(!credit.spend(Stdout, 11));
        assert!(credit.spend(Stdout, 10));
    }

    #[test]
    fn more_is_not_given_back_than_there_was() {
        let credit = Credit::default();
        credit.give_back(Stderr, u32::MAX);
        assert!(!credit.spend(Stderr, usize::try_from(WINDOW).unwrap() + 1));
        assert!(!credit.spend(Stderr, usize::MAX));
    }
}

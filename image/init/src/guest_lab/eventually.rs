//! Waits for conditions in tests.

use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// Waits until `look` returns a value, and returns it; panics with `what` at the deadline.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "it never came: {what}");
        std::thread::yield_now();
    }
}

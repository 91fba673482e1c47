//! Waits for conditions in tests.

use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

/// Calls `look` again and again until it returns a value, and returns that value. Panics after 20 s; `what` names the
/// condition in the panic's message.
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

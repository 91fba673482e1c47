//! Waiting for conditions, each with a deadline: the only module of these tests that sleeps.

use std::time::{Duration, Instant};

/// For what comes at once, on a machine that is busy.
pub const SOON: Duration = Duration::from_secs(90);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs a future to its end.
pub fn run<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(what)
}

/// Waits until something is so; `false` if it is not in time.
pub async fn within(time: Duration, mut so: impl AsyncFnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !so().await {
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
    true
}

/// Waits until something is so; fails with `what` if it is not in time.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    assert!(within(SOON, async || so()).await, "{what}");
}

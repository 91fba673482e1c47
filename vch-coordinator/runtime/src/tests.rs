//! What the tests of several modules begin with.

mod fake_shim;
mod shim_files;
mod testbed;

pub use fake_shim::{EXEC, ExecEnd, FakeShim, Manner};
pub use shim_files::{exited, failed, log_line, write_outcome};
pub use testbed::{BROKEN_IMAGE, DataPlane, Testbed, event, request, vms, workload};

use std::time::Duration;

/// The deadline of everything that a test waits for.
const SOON: Duration = Duration::from_secs(30);

/// Waits for a future, and fails if it is not there soon.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, future).await.unwrap()
}

/// The pause between two looks of [`eventually`].
const LOOK: Duration = Duration::from_millis(5);

/// Looks again and again until there is something, and returns it. For what tells no one that it has
/// changed, such as a file.
pub async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    within(async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

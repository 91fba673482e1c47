//! Runs blocking work outside of the async runtime's threads.

use std::io;

/// Runs blocking work on a thread for such work, and returns its result.
///
/// # Errors
/// Returns the error of the work, or an error of kind `Other` if the work panicked.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

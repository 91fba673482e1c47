//! The thread of an actor that owns a part of the kernel's state and blocks in system calls.

use std::{io, thread};
use tokio::sync::oneshot;

/// The thread that does the work of [`Segments`](crate::segments::Segments) or [`Nat`](crate::nat::Nat), whose handles
/// send it requests. It ends when the last of these handles is dropped.
#[derive(Debug)]
pub struct ActorThread {
    name: &'static str,
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl ActorThread {
    /// Starts a thread named `name` that runs `work` in the network namespace of the calling
    /// thread.
    ///
    /// # Errors
    /// Returns an error if the thread can't be created.
    pub(crate) fn spawn(
        name: &'static str,
        work: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let (ending, ended) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                work();
                drop(ending);
            })?;
        Ok(Self {
            name,
            thread,
            ended,
        })
    }

    /// Waits until the thread has ended. Drop all handles first: the thread carries out the requests that are queued,
    /// and then ends.
    pub async fn ended(self) {
        // An error is the sender's end, which is what is waited for.
        let _ = self.ended.await;
        if self.thread.join().is_err() {
            tracing::error!(thread = self.name, "the thread panicked");
        }
    }
}

//! The thread of an actor: what owns a part of the kernel's state and blocks in its calls.

use std::{io, thread};
use tokio::sync::oneshot;

/// The thread behind [`Segments`](crate::segments::Segments) or [`Nat`](crate::nat::Nat); it ends when the last handle
/// is dropped.
#[derive(Debug)]
pub struct ActorThread {
    name: &'static str,
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl ActorThread {
    /// Starts a thread, in the network namespace of the calling one.
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

    /// Waits for the thread's end: until what was asked for is done.
    pub async fn ended(self) {
        // An error is the sender's end, which is what is waited for.
        let _ = self.ended.await;
        if self.thread.join().is_err() {
            tracing::error!(thread = self.name, "the thread panicked");
        }
    }
}

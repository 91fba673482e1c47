//! Tasks with one owner, the runtime or an API. Each task ends by itself or when the coordinator
//! stops, and the coordinator waits for it.

use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A set of async tasks that their owner (the runtime or an API) cancels and awaits together. Cheap
/// to clone; clones share the set.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Spawns a task. The handle's result is `None` if [`close`](Self::close) cancelled the task
    /// before its end.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let until = self.stop.clone().run_until_cancelled_owned(task);
        self.tracker.spawn(until)
    }

    /// Cancels all tasks, and waits until they have ended.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests;

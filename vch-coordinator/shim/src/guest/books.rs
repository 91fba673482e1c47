//! Who waits for what of the guest.

use protocol::process::{Exit, Fault, FromInit, MAX_PROCESSES, Output, ProcessId, WINDOW};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// What becomes of a process that `exec` started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecNews {
    /// It runs, under this number.
    Started(u32),
    /// It does not start; nothing comes after this.
    NotStarted(Fault, String),
    /// It wrote something.
    Output(Output, Vec<u8>),
    /// It has ended; nothing comes after this.
    Exited(Exit),
}

/// An answer to a question.
pub type Asked = FromInit;

/// Who waits for what.
#[derive(Default)]
pub struct Books {
    /// By process: no more than its window can be in one of these at a time.
    execs: BTreeMap<ProcessId, mpsc::UnboundedSender<ExecNews>>,
    windows: BTreeMap<ProcessId, Arc<Semaphore>>,
    asked: BTreeMap<u32, oneshot::Sender<Asked>>,
    last: u32,
    closed: bool,
}

impl Books {
    /// A number for a process, and what will become of it.
    pub fn seat(&mut self) -> Option<(ProcessId, mpsc::UnboundedReceiver<ExecNews>)> {
        if self.closed || self.execs.len() + 1 >= MAX_PROCESSES {
            return None;
        }
        let id = ProcessId(self.next());
        let (sender, news) = mpsc::unbounded_channel();
        self.execs.insert(id, sender);
        Some((id, news))
    }

    /// A number for a question.
    pub fn asks(&mut self, answer: oneshot::Sender<Asked>) -> u32 {
        let request = self.next();
        // Dropped otherwise: who asks learns that the VM has ended.
        if !self.closed {
            self.asked.insert(request, answer);
        }
        request
    }

    pub fn answered(&mut self, request: u32, answer: Asked) {
        if let Some(asked) = self.asked.remove(&request) {
            // Whoever asked may have gone away.
            let _ = asked.send(answer);
        }
    }

    pub fn tell(&mut self, id: ProcessId, news: ExecNews) {
        if let Some(exec) = self.execs.get(&id) {
            // Its client may have gone away; the process runs on.
            let _ = exec.send(news);
        }
    }

    pub fn end(&mut self, id: ProcessId, news: ExecNews) {
        self.tell(id, news);
        self.execs.remove(&id);
        if let Some(window) = self.windows.remove(&id) {
            window.close();
        }
    }

    /// How much input a process takes at present.
    pub fn window(&mut self, id: ProcessId) -> Arc<Semaphore> {
        let closed = self.closed;
        let window = self.windows.entry(id).or_insert_with(|| {
            Arc::new(Semaphore::new(
                usize::try_from(WINDOW).unwrap_or(usize::MAX),
            ))
        });
        if closed {
            window.close();
        }
        Arc::clone(window)
    }

    pub fn took(&mut self, id: ProcessId, bytes: u32) {
        let Some(window) = self.windows.get(&id) else {
            return;
        };
        // A guest that gives back more than it was given gains nothing.
        let most = usize::try_from(WINDOW).unwrap_or(usize::MAX);
        let room = most.saturating_sub(window.available_permits());
        window.add_permits(usize::try_from(bytes).unwrap_or(usize::MAX).min(room));
    }

    /// The VM has ended: nobody waits any longer.
    pub fn close(&mut self) {
        self.closed = true;
        self.execs.clear();
        self.asked.clear();
        for window in self.windows.values() {
            window.close();
        }
    }

    fn next(&mut self) -> u32 {
        // Zero is the container's own process.
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.last
    }
}

//! The questions that the guest's init has not answered yet, and the further processes that run in
//! the container.

use super::{
    credit::Credit,
    queue::{ExecEvent, MOST_HELD, Queue},
};
use protocol::process::{FromInit, MAX_PROCESSES, Output, ProcessId, WINDOW};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{Semaphore, oneshot};

/// The answer of the guest's init to a question.
pub type Answer = FromInit;

/// A process that `exec` started and that has not ended.
struct Seat {
    started: bool,
    events: Arc<Queue>,
    credit: Arc<Credit>,
    window: Arc<Semaphore>,
}

/// The questions that the guest's init has not answered yet, and the further processes (`docker
/// exec`) that run in the container.
pub struct PendingRequests {
    seats: BTreeMap<ProcessId, Seat>,
    /// How much input the container's own process takes.
    main: Arc<Semaphore>,
    asked: BTreeMap<u32, oneshot::Sender<Answer>>,
    /// Bytes that all clients of `exec` have not read yet.
    held: Arc<AtomicUsize>,
    last: u32,
    closed: bool,
}

impl Default for PendingRequests {
    fn default() -> Self {
        Self {
            seats: BTreeMap::new(),
            main: window(),
            asked: BTreeMap::new(),
            held: Arc::default(),
            last: 0,
            closed: false,
        }
    }
}

fn window() -> Arc<Semaphore> {
    let most = usize::try_from(WINDOW).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(most))
}

impl PendingRequests {
    /// Registers a new further process. Returns its number, the queue of its events, and the
    /// windows of its output; `None` if there are too many processes, or if the VM has ended.
    pub fn seat(&mut self) -> Option<(ProcessId, Arc<Queue>, Arc<Credit>)> {
        if self.closed || self.seats.len() + 1 >= MAX_PROCESSES {
            return None;
        }
        let id = ProcessId(self.next());
        let events = Arc::new(Queue::new(Arc::clone(&self.held)));
        let credit = Arc::new(Credit::default());
        let seat = Seat {
            started: false,
            events: Arc::clone(&events),
            credit: Arc::clone(&credit),
            window: window(),
        };
        self.seats.insert(id, seat);
        Some((id, events, credit))
    }

    /// Registers a new question, and returns its number. The answer is sent to `answer`, which is
    /// dropped if the VM has ended.
    pub fn asks(&mut self, answer: oneshot::Sender<Answer>) -> u32 {
        let request = self.next();
        // Dropped otherwise: who asks learns that the VM has ended.
        if !self.closed {
            self.asked.insert(request, answer);
        }
        request
    }

    /// Sends an answer to the caller that asked the question with this number. Does nothing if no
    /// caller waits for it.
    pub fn answered(&mut self, request: u32, answer: Answer) {
        if let Some(asked) = self.asked.remove(&request) {
            // The caller may have gone away.
            let _ = asked.send(answer);
        }
    }

    /// Forgets a question, so that its answer is dropped when it arrives.
    pub fn forget(&mut self, request: u32) {
        self.asked.remove(&request);
    }

    /// Appends a process's output to the queue of its events. Returns `false` if the output exceeds
    /// its window.
    pub fn wrote(&mut self, id: ProcessId, stream: Output, bytes: Vec<u8>) -> bool {
        // Of one that has ended, or never was, nothing is kept.
        let Some(seat) = self.seats.get(&id) else {
            return true;
        };
        if !seat.credit.spend(stream, bytes.len()) {
            return false;
        }
        seat.events.push(ExecEvent::Output(stream, bytes));
        if self.held.load(Ordering::Relaxed) > MOST_HELD {
            let slowest = self.seats.values().max_by_key(|seat| seat.events.held());
            if let Some(slowest) = slowest {
                slowest.events.discard();
            }
        }
        true
    }

    /// Notes that a process runs, with this process ID in the container. A second report has no
    /// effect.
    pub fn started(&mut self, id: ProcessId, pid: u32) {
        if let Some(seat) = self.seats.get_mut(&id)
            && !std::mem::replace(&mut seat.started, true)
        {
            seat.events.push(ExecEvent::Started(pid));
        }
    }

    /// Appends a process's last event to its queue, and forgets the process.
    pub fn end(&mut self, id: ProcessId, event: ExecEvent) {
        if let Some(seat) = self.seats.remove(&id) {
            seat.events.push(event);
            seat.events.close();
            seat.window.close();
        }
    }

    /// Returns the permits for a process's input, one for each byte that it takes at present;
    /// `None` if the process has ended.
    pub fn window(&self, id: ProcessId) -> Option<Arc<Semaphore>> {
        let window = match id {
            ProcessId::MAIN => &self.main,
            id => &self.seats.get(&id)?.window,
        };
        (!self.closed).then(|| Arc::clone(window))
    }

    /// Notes that a process has taken bytes of its input, so that as many may be sent again.
    pub fn took(&mut self, id: ProcessId, bytes: u32) {
        let Some(window) = self.window(id) else {
            return;
        };
        // A guest that gives back more than it was given gains nothing.
        let most = usize::try_from(WINDOW).unwrap_or(usize::MAX);
        let room = most.saturating_sub(window.available_permits());
        window.add_permits(usize::try_from(bytes).unwrap_or(usize::MAX).min(room));
    }

    /// Ends all waiting for answers and for events of processes, since the VM has ended.
    pub fn close(&mut self) {
        self.closed = true;
        self.asked.clear();
        self.main.close();
        for seat in std::mem::take(&mut self.seats).into_values() {
            seat.events.close();
            seat.window.close();
        }
    }

    /// Returns whether the VM has ended.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns whether no question is unanswered.
    #[cfg(test)]
    pub fn is_quiet(&self) -> bool {
        self.asked.is_empty()
    }

    fn next(&mut self) -> u32 {
        // Zero is the container's own process.
        self.last = self.last.checked_add(1).unwrap_or(1);
        self.last
    }
}

#[cfg(test)]
mod tests;

//! The events of a further process in the container (`docker exec`), until its client has read them.
//!
//! The output of each process in its queue is limited by the windows of its streams, and all queues together by
//! [`MOST_HELD`]. Beyond that limit the client that reads slowest loses the output in its queue, and is told so.

use parking_lot::{Mutex, MutexGuard};
use protocol::process::{Exit, Fault, MAX_CHUNK, Output};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::Notify;

/// The maximum number of bytes of output that all queues hold together: the full windows of sixteen clients that read
/// nothing.
pub const MOST_HELD: usize = 8 << 20;
/// The cost of an entry beside its bytes: a guest that writes byte by byte holds no more memory than another.
const ENTRY: usize = 96;

/// An event of a further process in the container (`docker exec`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecEvent {
    /// The process runs, with this process ID in the container.
    Started(u32),
    /// The process can't be started. Has the kind of the fault and the reason in words. It is the last event.
    NotStarted(Fault, String),
    /// The process wrote these bytes to this stream.
    Output(Output, Vec<u8>),
    /// This many bytes of standard output and of standard error were dropped, since the client reads too slowly.
    Lost([u32; 2]),
    /// The process has ended. It is the last event.
    Exited(Exit),
}

/// The unread events of one process in a container. One reader takes them out.
#[derive(Debug)]
pub struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    /// The bytes that all queues together hold.
    all_held: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<ExecEvent>,
    held: usize,
    closed: bool,
}

impl Queue {
    /// Returns an empty queue. `all_held` counts the bytes that all queues hold together.
    pub fn new(all_held: Arc<AtomicUsize>) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Notify::new(),
            all_held,
        }
    }

    /// Appends an event. Output is joined to earlier output of the same stream, if that is the last event.
    pub fn push(&self, one: ExecEvent) {
        let mut inner = self.inner();
        if let (Some(ExecEvent::Output(last, bytes)), ExecEvent::Output(stream, more)) =
            (inner.events.back_mut(), &one)
            && last == stream
            && bytes.len() + more.len() <= MAX_CHUNK
        {
            bytes.extend_from_slice(more);
            self.hold(&mut inner, more.len());
        } else {
            self.hold(&mut inner, cost(&one));
            inner.events.push_back(one);
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Closes the queue: no further event will be appended.
    pub fn close(&self) {
        self.inner().closed = true;
        self.changed.notify_one();
    }

    /// Waits for the next event, takes it out and returns it; `None` once the queue is closed and empty. Cancel-safe.
    pub async fn next(&self) -> Option<ExecEvent> {
        loop {
            {
                let mut inner = self.inner();
                if let Some(one) = inner.events.pop_front() {
                    self.release(&mut inner, cost(&one));
                    return Some(one);
                }
                if inner.closed {
                    return None;
                }
            }
            // A change since then has left its permit.
            self.changed.notified().await;
        }
    }

    /// Returns how much the queue holds, in bytes, with a fixed cost for each event.
    pub fn held(&self) -> usize {
        self.inner().held
    }

    /// Drops all output in the queue, and appends [`ExecEvent::Lost`] with its size. Keeps the other events.
    pub fn discard(&self) {
        let mut inner = self.inner();
        let mut lost = [0_u32; 2];
        let held = std::mem::take(&mut inner.events);
        self.release_all(&mut inner);
        for one in held {
            match one {
                ExecEvent::Output(stream, bytes) => {
                    let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                    let of = &mut lost[usize::from(stream == Output::Stderr)];
                    *of = of.saturating_add(count);
                }
                ExecEvent::Lost([out, err]) => {
                    lost = [lost[0].saturating_add(out), lost[1].saturating_add(err)];
                }
                other => inner.events.push_back(other),
            }
        }
        inner.events.push_back(ExecEvent::Lost(lost));
        let kept: usize = inner.events.iter().map(cost).sum();
        self.hold(&mut inner, kept);
        drop(inner);
        self.changed.notify_one();
    }

    fn hold(&self, inner: &mut Inner, bytes: usize) {
        inner.held += bytes;
        self.all_held.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&self, inner: &mut Inner, bytes: usize) {
        let bytes = bytes.min(inner.held);
        inner.held -= bytes;
        self.all_held.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn release_all(&self, inner: &mut Inner) {
        let held = inner.held;
        self.release(inner, held);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let held = self.inner().held;
        self.all_held.fetch_sub(held, Ordering::Relaxed);
    }
}

fn cost(one: &ExecEvent) -> usize {
    let bytes = match one {
        ExecEvent::Output(_, bytes) => bytes.len(),
        ExecEvent::NotStarted(_, reason) => reason.len(),
        ExecEvent::Started(_) | ExecEvent::Lost(_) | ExecEvent::Exited(_) => 0,
    };
    ENTRY + bytes
}

#[cfg(test)]
mod tests;

//! Messages for a process that does not run yet.

use protocol::process::{ProcessId, ToInit, WINDOW};
use std::collections::BTreeMap;

/// Most messages that wait for one process: beside input, which has its window, there are some signals and sizes.
const MOST: usize = 1024;

/// What waits, by process.
#[derive(Default)]
pub struct Early(BTreeMap<ProcessId, Waiting>);

#[derive(Default)]
struct Waiting {
    messages: Vec<ToInit>,
    input: usize,
}

impl Early {
    /// From now on messages for this process wait.
    pub fn expect(&mut self, id: ProcessId) {
        self.0.insert(id, Waiting::default());
    }

    /// Keeps a message for a process that is expected; what a window forbids is not kept.
    pub fn keep(&mut self, id: ProcessId, message: ToInit) {
        let Some(waiting) = self.0.get_mut(&id) else {
            return;
        };
        let bytes = match &message {
            ToInit::Input { bytes, .. } => bytes.len(),
            _ => 0,
        };
        let window = usize::try_from(WINDOW).unwrap_or(usize::MAX);
        if waiting.messages.len() < MOST && waiting.input + bytes <= window {
            waiting.input += bytes;
            waiting.messages.push(message);
        }
    }

    /// The process runs, or will not: nothing waits any longer. What has waited, in its order.
    pub fn take(&mut self, id: ProcessId) -> Vec<ToInit> {
        let waiting = self.0.remove(&id).unwrap_or_default();
        waiting.messages
    }
}

#[cfg(test)]
mod tests {
    use super::{Early, MOST};
    use protocol::process::{ProcessId, ToInit, WINDOW};

    const ID: ProcessId = ProcessId(3);

    #[test]
    fn what_came_before_a_process_waits_for_it_in_its_order() {
        let mut early = Early::default();
        let signal = |signal| ToInit::Signal { id: ID, signal };
        early.keep(ID, signal(1));
        assert!(early.take(ID).is_empty(), "it was not expected");
        early.expect(ID);
        early.keep(ID, signal(2));
        early.keep(ID, ToInit::InputEnd { id: ID });
        early.keep(ProcessId(4), signal(3));
        assert_eq!(early.take(ID), [signal(2), ToInit::InputEnd { id: ID }]);
        assert!(early.take(ID).is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut early = Early::default();
        early.expect(ID);
        let window = usize::try_from(WINDOW).unwrap();
        let input = |length| ToInit::Input {
            id: ID,
            bytes: vec![0; length],
        };
        early.keep(ID, input(window));
        early.keep(ID, input(1));
        for _ in 0..2 * MOST {
            early.keep(ID, ToInit::InputEnd { id: ID });
        }
        assert_eq!(early.take(ID).len(), MOST);
    }
}

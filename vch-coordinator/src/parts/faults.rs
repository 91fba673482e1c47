//! Lets a test end a part (long-running task) of a coordinator.

use std::future::Future;
use tokio::sync::watch;

/// The way in which a test ends a part: by a return, or by a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The part returns, as if its work were done.
    Return,
    /// The part panics.
    Panic,
}

/// The channel by which a test ends parts of a coordinator. Clones share it.
#[derive(Clone, Debug)]
pub struct Faults(watch::Sender<Option<(&'static str, Fault)>>);

impl Default for Faults {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Faults {
    /// Ends the part of this name, by a return or a panic.
    pub fn inject(&self, part: &'static str, fault: Fault) {
        self.0.send_replace(Some((part, fault)));
    }

    /// Runs the work of the part of this name. Ends it when a fault of this part is injected.
    pub async fn meet<E>(
        self,
        part: &'static str,
        work: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        tokio::select! {
            done = work => done,
            fault = self.injected(part) => match fault {
                Fault::Return => Ok(()),
                Fault::Panic => panic!("injected into {part}"),
            },
        }
    }

    /// Waits until a fault of the part of this name is injected, and returns the fault.
    pub async fn injected(&self, part: &'static str) -> Fault {
        let mut seen = self.0.subscribe();
        let found = seen
            .wait_for(|one| one.is_some_and(|(injected, _)| injected == part))
            .await;
        match found.ok().and_then(|found| *found) {
            Some((_, fault)) => fault,
            None => std::future::pending().await,
        }
    }
}

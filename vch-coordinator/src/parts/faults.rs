//! Lets a test end a part of a coordinator.

use std::future::Future;
use tokio::sync::watch;

/// How a part ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Return,
    Panic,
}

/// The channel by which a test injects faults into a coordinator. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Faults(watch::Sender<Option<(&'static str, Fault)>>);

impl Default for Faults {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Faults {
    /// Ends a part with a fault.
    pub fn inject(&self, part: &'static str, fault: Fault) {
        self.0.send_replace(Some((part, fault)));
    }

    /// Runs a part's work, and ends it when a fault of this part is injected.
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

    /// Waits until a fault of this part is injected, and returns it.
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

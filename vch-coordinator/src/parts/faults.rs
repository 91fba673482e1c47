//! How a test lets a part of a coordinator end.

use std::future::Future;
use tokio::sync::watch;

/// What happens to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Return,
    Panic,
}

/// Handed to a coordinator by a test; cheap to clone.
#[derive(Clone, Debug)]
pub struct Faults(watch::Sender<Option<(&'static str, Fault)>>);

impl Default for Faults {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Faults {
    /// Lets a part end from inside.
    pub fn inject(&self, part: &'static str, fault: Fault) {
        self.0.send_replace(Some((part, fault)));
    }

    /// A part's work, which ends when that is injected.
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

    /// Resolves when a fault of this part is injected.
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

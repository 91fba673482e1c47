//! A cache of the decoded JSON documents of containers. A document is decoded once until the ledger
//! has another text for it, and never on the ledger's thread.

use super::workload::{RunState, Workload};
use parking_lot::{Mutex, MutexGuard};
use std::{collections::HashMap, sync::Arc};
use vch_ledger::ContainerId;

/// A cache of containers' decoded JSON documents: workloads and run states.
/// [`ContainerRows::decode`](super::ContainerRows::decode) uses it, so that an unchanged document
/// is decoded only once.
#[derive(Debug, Default)]
pub struct Documents(Mutex<HashMap<ContainerId, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    workload: Option<(Arc<str>, Arc<Workload>)>,
    run_state: Option<(Arc<str>, RunState)>,
}

impl Documents {
    /// Returns the workload that `text` describes in JSON: from the cache if `text` is the same allocation
    /// (`Arc::ptr_eq`) as in the last call for this container. Otherwise decodes it, and caches the result.
    ///
    /// # Errors
    /// Returns the JSON error if the text is not a workload.
    pub fn workload(
        &self,
        container: ContainerId,
        text: &Arc<str>,
    ) -> Result<Arc<Workload>, serde_json::Error> {
        if let Some((known, workload)) = self.entries().get(&container).and_then(|one| one.workload.as_ref())
            // Comparing addresses suffices: the cached text stays allocated, so that no other text
            // can have its address.
            && Arc::ptr_eq(known, text)
        {
            return Ok(Arc::clone(workload));
        }
        let workload: Arc<Workload> = Arc::new(serde_json::from_str(text)?);
        let kept = (Arc::clone(text), Arc::clone(&workload));
        self.entries().entry(container).or_default().workload = Some(kept);
        Ok(workload)
    }

    /// Returns the run state that `text` describes in JSON: from the cache if `text` is the same allocation
    /// (`Arc::ptr_eq`) as in the last call for this container. Otherwise decodes it, and caches the result.
    ///
    /// # Errors
    /// Returns the JSON error if the text is not a run state.
    pub fn run_state(
        &self,
        container: ContainerId,
        text: &Arc<str>,
    ) -> Result<RunState, serde_json::Error> {
        if let Some((known, run_state)) = self
            .entries()
            .get(&container)
            .and_then(|one| one.run_state.as_ref())
            && Arc::ptr_eq(known, text)
        {
            return Ok(run_state.clone());
        }
        let run_state: RunState = serde_json::from_str(text)?;
        let kept = (Arc::clone(text), run_state.clone());
        self.entries().entry(container).or_default().run_state = Some(kept);
        Ok(run_state)
    }

    /// Removes a container's documents from the cache, for example because the container was removed.
    pub fn forget(&self, container: ContainerId) {
        self.entries().remove(&container);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ContainerId, Entry>> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.0.lock()
    }
}

#[cfg(test)]
mod tests;

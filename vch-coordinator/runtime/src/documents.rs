//! Decoded documents of containers, kept as long as the ledger has the same text: one that is listed a thousand times
//! is decoded once, and never on the writer's thread.

use super::workload::{Life, Workload};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use vch_ledger::ContainerId;

/// Decoded documents by container.
#[derive(Debug, Default)]
pub struct Documents(Mutex<HashMap<ContainerId, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    workload: Option<(Arc<str>, Arc<Workload>)>,
    life: Option<(Arc<str>, Life)>,
}

impl Documents {
    /// Decodes a workload.
    ///
    /// # Errors
    /// Returns the error of JSON or of a field if the text is no workload.
    pub fn workload(
        &self,
        container: ContainerId,
        text: &Arc<str>,
    ) -> Result<Arc<Workload>, serde_json::Error> {
        if let Some((known, workload)) = self.entries().get(&container).and_then(|one| one.workload.as_ref())
            // The text that is kept here can't make room for another one at its address.
            && Arc::ptr_eq(known, text)
        {
            return Ok(Arc::clone(workload));
        }
        let workload: Arc<Workload> = Arc::new(serde_json::from_str(text)?);
        let kept = (Arc::clone(text), Arc::clone(&workload));
        self.entries().entry(container).or_default().workload = Some(kept);
        Ok(workload)
    }

    /// Decodes a run.
    ///
    /// # Errors
    /// Returns the error of JSON or of a field if the text is no run.
    pub fn life(&self, container: ContainerId, text: &Arc<str>) -> Result<Life, serde_json::Error> {
        if let Some((known, life)) = self
            .entries()
            .get(&container)
            .and_then(|one| one.life.as_ref())
            && Arc::ptr_eq(known, text)
        {
            return Ok(life.clone());
        }
        let life: Life = serde_json::from_str(text)?;
        let kept = (Arc::clone(text), life.clone());
        self.entries().entry(container).or_default().life = Some(kept);
        Ok(life)
    }

    /// Forgets a container.
    pub fn forget(&self, container: ContainerId) {
        self.entries().remove(&container);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<ContainerId, Entry>> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;

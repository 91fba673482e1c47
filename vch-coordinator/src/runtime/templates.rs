//! Saved VMs, of which containers' VMs are clones: one for each kernel, memory and number of processors.

use super::{Vms, shim, tasks::Tasks};
use std::{
    collections::BTreeSet,
    fs::Metadata,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};
use vch_shim::{Launch, template};

/// A clone has slots for its disks, its first NICs and those that come later: with more than these it is booted.
const MOST_NICS: usize = 6;

/// Saved VMs in a folder; cheap to clone.
#[derive(Clone, Debug)]
pub struct Templates {
    folder: PathBuf,
    tasks: Tasks,
    /// Being made, or of no use: not tried again in this coordinator's life.
    tried: Arc<Mutex<BTreeSet<String>>>,
}

impl Templates {
    /// In a folder that lasts.
    pub fn new(folder: PathBuf, tasks: Tasks) -> Self {
        Self {
            folder,
            tasks,
            tried: Arc::default(),
        }
    }

    /// The template of a launch. Where there is none yet it is made for the next one, and this one boots.
    pub fn of(&self, vms: &Vms, launch: &Launch) -> Option<PathBuf> {
        if launch.nics.len() > MOST_NICS {
            return None;
        }
        let name = name(launch)?;
        let folder = self.folder.join(&name);
        if template::is_there(&folder) {
            return Some(folder);
        }
        if self.tried().insert(name) {
            let (vms, launch) = (vms.clone(), launch.clone());
            self.tasks.spawn(async move {
                match shim::save(&vms, &launch, &folder).await {
                    Ok(()) => {
                        tracing::info!(folder = %folder.display(), "VMs are cloned from now on");
                    }
                    Err(error) => tracing::warn!(%error, "VMs are booted: there is no template"),
                }
            });
        }
        None
    }

    fn tried(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a saved VM depends on. A new kernel, image or release makes another one.
fn name(launch: &Launch) -> Option<String> {
    let stamp = |path: &Path| {
        let found: Metadata = path.metadata().ok()?;
        let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{:x}-{:x}", found.len(), changed.as_nanos()))
    };
    let (kernel, initramfs) = (stamp(&launch.kernel)?, stamp(&launch.initramfs)?);
    let Launch {
        memory_mib, cpus, ..
    } = launch;
    let release = env!("CARGO_PKG_VERSION");
    Some(format!(
        "{release}-{kernel}-{initramfs}-{memory_mib}m-{cpus}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Templates, name};
    use crate::runtime::{Vms, launch::tests::sample, tasks::Tasks};

    #[test]
    fn a_template_is_of_one_kernel_memory_and_number_of_processors() {
        let folder = tempfile::tempdir().unwrap();
        let mut launch = sample();
        for (file, text) in [("vmlinux", "kernel"), ("vm.cpio", "image")] {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        assert_eq!(name(&launch), None, "there is no such kernel");
        launch.kernel = folder.path().join("vmlinux");
        launch.initramfs = folder.path().join("vm.cpio");
        let first = name(&launch).unwrap();
        assert_eq!(name(&launch).unwrap(), first);
        launch.memory_mib += 1;
        let other = name(&launch).unwrap();
        assert_ne!(other, first);
        std::fs::write(folder.path().join("vm.cpio"), "another").unwrap();
        assert_ne!(name(&launch).unwrap(), other);
    }

    #[test]
    fn one_with_many_nics_is_booted() {
        let mut launch = sample();
        launch.nics = vec![
            vch_shim::Nic {
                id: "n".to_owned(),
                mac: [2; 6],
                tap: "t".to_owned(),
            };
            7
        ];
        let templates = Templates::new("/nowhere".into(), Tasks::default());
        assert_eq!(templates.of(&Vms::sample(), &launch), None);
        assert!(templates.tried().is_empty());
    }
}

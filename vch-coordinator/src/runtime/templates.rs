//! Saved VMs, of which containers' VMs are clones: one for each kernel, memory and number of processors.

use super::{Vms, shim, tasks::Tasks};
use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use vch_shim::{Launch, template};

/// A clone has slots for its disks, its first NICs and those that come later: with more than these it is booted.
const MOST_NICS: usize = 6;

/// Most saved VMs: each is a file as large as the VM's memory.
const MOST_TEMPLATES: usize = 4;
/// One that was used so lately may be about to be read.
const IN_USE: Duration = Duration::from_secs(60);

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
            used(&folder);
            return Some(folder);
        }
        if self.tried().insert(name) {
            let (vms, launch) = (vms.clone(), launch.clone());
            let all = self.folder.clone();
            self.tasks.spawn(async move {
                let made = tokio::task::spawn_blocking(move || make_room(&all)).await;
                if let Err(error) = made.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    tracing::warn!(%error, "VMs are booted: there is no room for a template");
                    return;
                }
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

    /// Removes one of which no clone could be made. Another one is made in its place, but once.
    pub async fn forget(&self, template: &Path) {
        tracing::warn!(folder = %template.display(), "a clone does not start: its template is removed");
        if let Err(error) = tokio::fs::remove_dir_all(template).await {
            tracing::warn!(%error, "the template stays");
        }
    }

    fn tried(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that a template is used. Best effort: one that was not used for long is made anew.
fn used(folder: &Path) {
    let noted = File::open(folder).and_then(|opened| opened.set_modified(SystemTime::now()));
    if let Err(error) = noted {
        tracing::debug!(%error, "the use of a template is not noted");
    }
}

/// Removes those that were not used for longest, so that one more has its place.
fn make_room(all: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(all) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        found.push((entry.metadata()?.modified()?, entry.path()));
    }
    found.sort_unstable();
    let surplus = (found.len() + 1).saturating_sub(MOST_TEMPLATES);
    for (last_used, folder) in found.into_iter().take(surplus) {
        if last_used.elapsed().is_ok_and(|since| since < IN_USE) {
            return Err(io::Error::other(format!(
                "{MOST_TEMPLATES} templates are in use"
            )));
        }
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// What a saved VM depends on. A new kernel, image or release makes another one.
fn name(launch: &Launch) -> Option<String> {
    let stamp = |path: &Path| {
        let found: Metadata = path.metadata().ok()?;
        let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(format!("{:x}-{:x}", found.len(), changed.as_nanos()))
    };
    let (kernel, initramfs) = (stamp(&launch.kernel)?, stamp(&launch.initramfs)?);
    let modules = match &launch.modules_disk {
        Some(disk) => stamp(disk)?,
        None => "none".to_owned(),
    };
    let Launch {
        memory_mib, cpus, ..
    } = launch;
    let release = env!("CARGO_PKG_VERSION");
    Some(format!(
        "{release}-{kernel}-{initramfs}-{modules}-{memory_mib}m-{cpus}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{Templates, make_room, name, used};
    use crate::runtime::{Vms, launch::tests::sample, tasks::Tasks};
    use std::{
        collections::BTreeSet,
        time::{Duration, SystemTime},
    };

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
    fn those_that_were_not_used_for_longest_make_room_and_those_in_use_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join("templates");
        make_room(&all).unwrap();
        let hour = Duration::from_secs(3_600);
        for (age, name) in ["now", "one", "two", "three"].iter().enumerate() {
            std::fs::create_dir_all(all.join(name)).unwrap();
            let age = hour * u32::try_from(age).unwrap();
            let opened = std::fs::File::open(all.join(name)).unwrap();
            opened.set_modified(SystemTime::now() - age).unwrap();
        }
        let there = || {
            let entries = std::fs::read_dir(&all).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap())
        };
        make_room(&all).unwrap();
        let left: BTreeSet<String> = there().collect();
        assert_eq!(left, ["now", "one", "two"].map(str::to_owned).into());
        std::fs::create_dir(all.join("new")).unwrap();
        for name in ["one", "two"] {
            used(&all.join(name));
        }
        let refused = make_room(&all).unwrap_err();
        assert_eq!(refused.to_string(), "4 templates are in use");
        assert_eq!(there().count(), 4);
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

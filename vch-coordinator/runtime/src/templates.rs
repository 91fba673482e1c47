//! Templates: saved VMs that were booted once. Containers' VMs are started as clones of them, which
//! is faster than a boot. There is one template for each kernel, amount of memory and number of
//! processors.

use super::{Vms, shim, tasks::Tasks, uids};
use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use vch_ledger::ContainerId;
use vch_shim::{Blame, Launch, template};

/// The maximum number of NICs of a clone: a template has slots for its disks, its first NICs and
/// NICs that are plugged later. A VM with more NICs is booted.
const MOST_NICS: usize = 6;

/// The maximum number of templates. Each is a file as large as its VM's memory.
const MOST_TEMPLATES: usize = 4;
/// A template that was used this recently may be about to be read and is not removed.
const IN_USE: Duration = Duration::from_secs(60);

/// The pause before the same template is made again: a failed or useless template costs a boot each
/// time.
const AGAIN: Duration = Duration::from_secs(600);

/// The templates (saved VMs) in a directory. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub struct Templates {
    dir: PathBuf,
    tasks: Tasks,
    history: Arc<Mutex<TemplateHistory>>,
}

/// What is known of the templates, by name.
#[derive(Debug, Default)]
struct TemplateHistory {
    /// When the making of each template last began. It is not begun again before [`AGAIN`] has
    /// passed.
    begun: BTreeMap<String, Instant>,
    /// For each template, the container whose clone failed since the last clone that ran.
    doubted: BTreeMap<String, ContainerId>,
}

impl TemplateHistory {
    /// Returns whether to make a missing template now, and notes that its making begins.
    fn begins(&mut self, name: String, now: Instant) -> bool {
        let lately = |begun: &Instant| now.saturating_duration_since(*begun) < AGAIN;
        if self.begun.get(&name).is_some_and(lately) {
            return false;
        }
        self.begun.insert(name, now);
        true
    }

    /// Returns whether to remove a template after a clone of it failed. If the template is only
    /// possibly at fault, two different containers must have failed: one container alone must not
    /// have another one's template removed.
    fn condemns(&mut self, name: &str, container: ContainerId, blame: Blame) -> bool {
        let condemned = match blame {
            Blame::None => false,
            Blame::Template => true,
            Blame::Either => {
                let doubted = self.doubted.entry(name.to_owned()).or_insert(container);
                *doubted != container
            }
        };
        if condemned {
            self.doubted.remove(name);
        }
        condemned
    }
}

fn name_of(template: &Path) -> String {
    let name = template.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

impl Templates {
    /// Returns the templates in the directory `dir`, which outlives a restart of the host. Tasks
    /// that make templates are spawned in `tasks`.
    pub fn new(dir: PathBuf, tasks: Tasks) -> Self {
        Self {
            dir,
            tasks,
            history: Arc::default(),
        }
    }

    /// Returns the directory of the template for a launch. Returns `None` if the VM must boot: it
    /// has too many NICs, or no template exists yet. In the latter case a task is started that
    /// makes the template for later launches.
    pub fn of(&self, vms: &Vms, launch: &Launch) -> Option<PathBuf> {
        if launch.nics.len() > MOST_NICS {
            return None;
        }
        let name = name(launch)?;
        let dir = self.dir.join(&name);
        if template::is_there(&dir) {
            used(&dir);
            return Some(dir);
        }
        if self.history().begins(name, Instant::now()) {
            let (vms, mut launch) = (vms.clone(), launch.clone());
            // A template must not be writable by the QEMU of any container.
            launch.uid = uids::TEMPLATE;
            let all = self.dir.clone();
            self.tasks.spawn(async move {
                let made = tokio::task::spawn_blocking(move || make_room(&all)).await;
                if let Err(error) = made.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    tracing::warn!(%error, "no room for a template; VMs are booted");
                    return;
                }
                match shim::save(&vms, &launch, &dir).await {
                    Ok(()) => {
                        tracing::info!(folder = %dir.display(), "VMs are cloned from now on");
                    }
                    Err(error) => tracing::warn!(%error, "template not made; VMs are booted"),
                }
            });
        }
        None
    }

    /// Notes that a clone of a template runs, so that earlier failures of its clones no longer
    /// count against the template.
    pub fn proved(&self, template: &Path) {
        self.history().doubted.remove(&name_of(template));
    }

    /// Handles a clone that did not start. Removes the template if it is certainly at fault
    /// (`blame`), or if a clone for another container failed, too, since a clone last ran. A
    /// removed template is made again later.
    pub async fn failed(&self, template: &Path, container: ContainerId, blame: Blame) {
        let condemned = self
            .history()
            .condemns(&name_of(template), container, blame);
        if !condemned {
            tracing::warn!(%container, "clone did not start; booting the VM");
            return;
        }
        tracing::warn!(folder = %template.display(), "clone did not start; its template is removed");
        if let Err(error) = tokio::fs::remove_dir_all(template).await {
            tracing::warn!(%error, "template not removed");
        }
    }

    fn history(&self) -> MutexGuard<'_, TemplateHistory> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.history.lock()
    }
}

/// Notes that a template is used, by its modification time. Errors are only logged: the template
/// then counts as less recently used.
fn used(dir: &Path) {
    let noted = File::open(dir).and_then(|opened| opened.set_modified(SystemTime::now()));
    if let Err(error) = noted {
        tracing::debug!(%error, "use of a template not recorded");
    }
}

/// Removes the least recently used templates, so that there is room for one more.
///
/// # Errors
/// Returns an error if a template cannot be read or removed, or if all templates are in use.
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
    for (last_used, dir) in found.into_iter().take(surplus) {
        if last_used.elapsed().is_ok_and(|since| since < IN_USE) {
            return Err(io::Error::other(format!(
                "{MOST_TEMPLATES} templates are in use"
            )));
        }
        fs::remove_dir_all(dir)?;
    }
    Ok(())
}

/// Returns the name of the template for a launch, made from everything that a saved VM depends on:
/// a new kernel, image or release gives another name. Returns `None` if a file cannot be read.
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
    use super::{AGAIN, TemplateHistory, Templates, make_room, name, used};
    use crate::{Vms, launch::tests::sample, tasks::Tasks};
    use std::{
        collections::BTreeSet,
        time::{Duration, Instant, SystemTime},
    };
    use vch_ledger::{ContainerId, Id};
    use vch_shim::Blame;

    #[test]
    fn a_template_is_of_one_kernel_memory_and_number_of_processors() {
        let dir = tempfile::tempdir().unwrap();
        let mut launch = sample();
        for (file, text) in [("vmlinux", "kernel"), ("vm.cpio", "image")] {
            std::fs::write(dir.path().join(file), text).unwrap();
        }
        assert_eq!(name(&launch), None, "there is no such kernel");
        launch.kernel = dir.path().join("vmlinux");
        launch.initramfs = dir.path().join("vm.cpio");
        let first = name(&launch).unwrap();
        assert_eq!(name(&launch).unwrap(), first);
        launch.memory_mib += 1;
        let other = name(&launch).unwrap();
        assert_ne!(other, first);
        std::fs::write(dir.path().join("vm.cpio"), "another").unwrap();
        assert_ne!(name(&launch).unwrap(), other);
    }

    #[test]
    fn those_that_were_not_used_for_longest_make_room_and_those_in_use_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let all = dir.path().join("templates");
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
        assert!(templates.history().begun.is_empty());
    }

    #[test]
    fn one_container_alone_has_no_template_removed_and_two_have() {
        let mut history = TemplateHistory::default();
        let [one, other] = [1, 2].map(|byte| ContainerId::from_bytes([byte; 32]));
        for _ in 0..5 {
            assert!(!history.condemns("t", one, Blame::Either));
            assert!(!history.condemns("t", other, Blame::None));
        }
        assert!(history.condemns("t", other, Blame::Either));
        assert!(
            !history.condemns("t", other, Blame::Either),
            "a new one is made"
        );
        assert!(
            !history.condemns("u", one, Blame::Either),
            "another template"
        );
        assert!(history.condemns("u", one, Blame::Template));
        assert!(!history.condemns("t", other, Blame::Either));
        history.doubted.remove("t");
        assert!(
            !history.condemns("t", one, Blame::Either),
            "it was proved since"
        );
    }

    #[test]
    fn one_that_was_removed_is_made_again_in_its_time() {
        let mut history = TemplateHistory::default();
        let now = Instant::now();
        assert!(history.begins("t".to_owned(), now));
        assert!(!history.begins("t".to_owned(), now + AGAIN / 2));
        assert!(history.begins("other".to_owned(), now));
        assert!(history.begins("t".to_owned(), now + AGAIN));
        assert!(!history.begins("t".to_owned(), now + AGAIN));
    }
}

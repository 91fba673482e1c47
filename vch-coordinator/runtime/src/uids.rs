//! The ordinary users that VMs run as: one for each VM that runs, as far from others' as Linux's conventions allow.
//!
//! Two processes of one user may signal and trace one another, so that a VM never shares its own with another VM.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use vch_ledger::{ContainerId, Id};

/// 0x70000000 to 0x7fffffff is what systemd's table of users (UIDS-GIDS, "Summary") leaves unused: behind
/// systemd-nspawn's range (0x80000 to 0x6fffffff), within what a signed number holds.
const FIRST: u32 = 0x7000_0000;
/// How many of them containers have. Behind them come templates, and from 0x7fff0000 on the helpers that read images
/// (`vch_image_store::Settings::FIRST_USER`).
const COUNT: u32 = 0x0ffe_0000;
/// The user of the VMs that are saved as templates: no container's.
pub const TEMPLATE: u32 = FIRST + COUNT;
/// How many are looked at for a free one; a VCH has thousands of VMs, of which two hardly begin alike.
const TRIES: u32 = 1 << 16;

/// Who begins at present; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Uids(Arc<Mutex<BTreeSet<u32>>>);

/// A user that no other VM has while this is kept, or while a process of it runs.
#[derive(Debug)]
pub struct Uid {
    /// Its number.
    pub number: u32,
    of: Uids,
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.of.kept().remove(&self.number);
    }
}

impl Uids {
    /// A free one, by the container's ID where that is free; `None` where all that were looked at are taken.
    /// Reads /proc: a VM that an earlier coordinator started has its user, too.
    pub fn take(&self, container: ContainerId) -> Option<Uid> {
        let mut kept = self.kept();
        let used = in_use();
        let is_free = |uid| !kept.contains(&uid) && !used.contains(&uid);
        let number = choose(of(container), is_free)?;
        kept.insert(number);
        drop(kept);
        let of = self.clone();
        Some(Uid { number, of })
    }

    fn kept(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that a container has unless it is taken.
pub fn of(container: ContainerId) -> u32 {
    let [a, b, c, d, ..] = *container.bytes();
    FIRST + u32::from_be_bytes([a, b, c, d]) % COUNT
}

fn choose(wanted: u32, is_free: impl Fn(u32) -> bool) -> Option<u32> {
    let next = |step| FIRST + (wanted - FIRST + step) % COUNT;
    (0..TRIES).map(next).find(|uid| is_free(*uid))
}

/// The users of all processes: real, effective, saved and of file systems (proc(5), `Uid` of /proc/PID/status).
fn in_use() -> BTreeSet<u32> {
    let mut used = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // A process that has just ended has no such file.
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        let numbers = line.unwrap_or_default().split_whitespace();
        used.extend(numbers.filter_map(|number| number.parse::<u32>().ok()));
    }
    used
}

#[cfg(test)]
mod tests {
    use super::{COUNT, FIRST, TEMPLATE, Uids, choose, in_use, of};
    use vch_ledger::{ContainerId, Id};

    fn container(byte: u8) -> ContainerId {
        ContainerId::from_bytes([byte; 32])
    }

    #[test]
    fn users_of_vms_are_nobody_elses_and_templates_have_one_of_their_own() {
        for byte in 0..=u8::MAX {
            let uid = of(container(byte));
            assert!((0x7000_0000..TEMPLATE).contains(&uid), "{uid:x}");
        }
        const { assert!(TEMPLATE < vch_image_store::Settings::FIRST_USER) };
        assert_ne!(of(container(1)), of(container(2)));
    }

    #[test]
    fn one_that_is_taken_is_passed_over() {
        let last = FIRST + COUNT - 1;
        assert_eq!(choose(last, |_| true), Some(last));
        assert_eq!(choose(last, |uid| uid != last), Some(FIRST));
        assert_eq!(choose(FIRST, |_| false), None);
    }

    #[test]
    fn two_that_begin_at_once_have_different_ones_and_give_them_back() {
        let uids = Uids::default();
        let one = uids.take(container(7)).unwrap();
        let other = uids.take(container(7)).unwrap();
        assert_eq!(one.number, of(container(7)));
        assert_eq!(other.number, one.number + 1);
        drop((one, other));
        assert_eq!(uids.take(container(7)).unwrap().number, of(container(7)));
        assert!(uids.kept().is_empty());
    }

    #[test]
    fn users_of_living_processes_are_seen() {
        assert!(in_use().contains(&nix::unistd::getuid().as_raw()));
    }
}

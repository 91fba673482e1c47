//! The unprivileged user IDs that VMs run as, one for each running VM.
//!
//! Two processes with the same user ID may signal and trace each other, so a VM never shares its user ID.
//! The IDs are from a range that no other Linux convention uses.

use parking_lot::{Mutex, MutexGuard};
use std::{collections::BTreeSet, fs, sync::Arc};
use vch_ledger::{ContainerId, Id};

/// The first user ID. systemd's table of user IDs (UIDS-GIDS, "Summary") leaves 0x70000000 to
/// 0x7fffffff unused: it is above the range of systemd-nspawn (0x80000 to 0x6fffffff) and below the
/// limit of signed numbers.
const FIRST: u32 = 0x7000_0000;
/// The number of user IDs for containers. The IDs above are for templates and, from 0x7fff0000 on,
/// for the helpers that read images (`vch_image_store::Settings::FIRST_USER`).
const COUNT: u32 = 0x0ffe_0000;
/// The user ID of VMs that are saved as templates. No container's VM has it.
pub const TEMPLATE: u32 = FIRST + COUNT;
/// How many IDs are tried to find a free one. A VCH has thousands of VMs, of which hardly two begin
/// at the same ID.
const TRIES: u32 = 1 << 16;

/// The user IDs of VMs that are reserved at present. Cheap to clone; clones share the reservations.
#[derive(Clone, Debug, Default)]
pub struct Uids(Arc<Mutex<BTreeSet<u32>>>);

/// A reserved user ID for a VM: no other VM gets it while this value exists or while a process has
/// that ID.
#[derive(Debug)]
pub struct Uid {
    /// The number of the user ID.
    pub number: u32,
    of: Uids,
}

impl Drop for Uid {
    fn drop(&mut self) {
        self.of.kept().remove(&self.number);
    }
}

impl Uids {
    /// Reserves a free user ID, preferably the one derived from the container's ID. Returns `None`
    /// if all tried IDs are taken. Reads /proc, since VMs that an earlier coordinator started have
    /// user IDs, too.
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
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.0.lock()
    }
}

/// Returns the user ID that a container's VM gets if it is free, derived from the container's ID.
pub fn of(container: ContainerId) -> u32 {
    let [a, b, c, d, ..] = *container.bytes();
    FIRST + u32::from_be_bytes([a, b, c, d]) % COUNT
}

fn choose(wanted: u32, is_free: impl Fn(u32) -> bool) -> Option<u32> {
    let next = |step| FIRST + (wanted - FIRST + step) % COUNT;
    (0..TRIES).map(next).find(|uid| is_free(*uid))
}

/// Returns the user IDs of all processes: real, effective, saved and file system ones (proc(5),
/// `Uid` of /proc/PID/status).
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

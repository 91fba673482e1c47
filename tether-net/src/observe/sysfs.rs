//! Reads what `/sys` and `/proc/sys` have about links.

#[cfg(test)]
mod tests;

use super::{Link, PciLocation, Sysctls};
use protocol::spec::PciPath;
use std::fs;
use std::path::{Path, PathBuf};

/// The directories from which links' PCI positions and kernel settings are read, and in which kernel settings are
/// written: by default `/sys` and `/proc/sys`.
#[derive(Clone, Debug)]
pub struct Sysfs {
    sys: PathBuf,
    proc_sys: PathBuf,
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::at("/sys", "/proc/sys")
    }
}

impl Sysfs {
    /// Creates a reader of other directories than `/sys` and `/proc/sys`, for tests.
    pub fn at(sys: impl Into<PathBuf>, proc_sys: impl Into<PathBuf>) -> Self {
        Self {
            sys: sys.into(),
            proc_sys: proc_sys.into(),
        }
    }

    /// Returns the position of a link on the PCI bus, if it has one.
    ///
    /// `/sys/class/net` shows the network namespace in which it was mounted, which may be another
    /// than the one that is observed: an entry counts only if it has the link's index and address.
    pub(super) fn pci_location(&self, index: u32, link: &Link) -> Option<PciLocation> {
        let mac = link.mac?;
        if link.name.contains('/') || link.name.starts_with('.') {
            return None;
        }
        let entry = self.sys.join("class/net").join(&link.name);
        let same = read(&entry.join("ifindex"))? == index.to_string()
            && read(&entry.join("address"))? == mac.to_string();
        if !same {
            return None;
        }
        let device = fs::canonicalize(entry.join("device")).ok()?;
        let functions: Vec<&str> = device
            .iter()
            .filter_map(|part| part.to_str())
            .filter(|part| slot_and_function(part).is_some())
            .collect();
        let steps: Vec<(u8, u8)> = functions
            .iter()
            .filter_map(|part| slot_and_function(part))
            .collect();
        Some(PciLocation {
            path: PciPath::try_from(steps).ok()?,
            slot: self.slot_of(functions.last()?),
        })
    }

    /// Returns the number of the physical slot whose address (`0000:01:00`) is that of a function
    /// (`0000:01:00.0`).
    fn slot_of(&self, function: &str) -> Option<u32> {
        let (device, _) = function.rsplit_once('.')?;
        fs::read_dir(self.sys.join("bus/pci/slots"))
            .ok()?
            .filter_map(Result::ok)
            .filter(|slot| read(&slot.path().join("address")).as_deref() == Some(device))
            .filter_map(|slot| slot.file_name().to_str()?.parse().ok())
            .min()
    }

    /// Returns the file of a link's sysctl; `None` if the link's name is not a plain file name.
    pub(crate) fn sysctl(&self, family: &str, link: &str, key: &str) -> Option<PathBuf> {
        let plain = !link.is_empty() && link != "." && link != ".." && !link.contains('/');
        let path = ["net", family, "conf", link, key];
        plain.then(|| self.proc_sys.join(path.iter().collect::<PathBuf>()))
    }

    /// Returns the file of a network sysctl, by its path below `/proc/sys`; `None` for a path outside of
    /// `/proc/sys/net`.
    pub(crate) fn network_sysctl(&self, path: &str) -> Option<PathBuf> {
        let mut parts = path.split('/');
        let plain = parts.next() == Some("net")
            && parts.all(|part| !part.is_empty() && part != "." && part != "..");
        plain.then(|| self.proc_sys.join(path))
    }

    /// Returns whether a link's sysctls are as the agent needs them.
    pub(super) fn sysctls(&self, name: &str) -> Sysctls {
        let is = |family, key, value: &str| {
            let path = self.sysctl(family, name, key)?;
            Some(read(&path)? == value)
        };
        Sysctls {
            refuses_router_advertisements: is("ipv6", "accept_ra", "0"),
            promotes_secondaries: is("ipv4", "promote_secondaries", "1"),
        }
    }
}

fn read(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim_end().to_owned())
}

/// Returns the device and the function of a PCI function's name, `domain:bus:device.function`.
fn slot_and_function(name: &str) -> Option<(u8, u8)> {
    let mut parts = name.split(':');
    let (domain, bus, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let (device, function) = rest.split_once('.')?;
    let hex = |text: &str, digits: usize| {
        (text.len() >= digits && text.bytes().all(|b| b.is_ascii_hexdigit()))
            .then(|| u32::from_str_radix(text, 16).ok())
            .flatten()
    };
    hex(domain, 4)?;
    hex(bus, 2)?;
    if parts.next().is_some() {
        return None;
    }
    let device = u8::try_from(hex(device, 2)?).ok()?;
    let function = u8::try_from(hex(function, 1)?).ok()?;
    Some((device, function))
}

//! Finds devices by their attributes in sysfs. The guest has no udev, so it has no names below
//! /dev/disk or /dev/virtio-ports.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// The driver of a device has looked at it by then.
const APPEARS: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A search for a device by the text of one of its attributes in sysfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceQuery<'a> {
    /// The directory of all devices of the kind, such as `/sys/block`.
    pub class: &'a str,
    /// The path of the attribute's file below the device's directory, such as `serial`.
    pub attribute: &'a str,
    /// The text of the attribute that the device must have.
    pub value: &'a str,
    /// The noun for the kind of device, for errors.
    pub noun: &'a str,
}

impl DeviceQuery<'_> {
    /// Waits until the device exists, and returns the path of its device node.
    ///
    /// # Errors
    /// Returns `NotFound` if the VM has no such device within ten seconds, or the error of reading
    /// sysfs.
    pub fn wait(&self) -> io::Result<PathBuf> {
        self.wait_until(Instant::now() + APPEARS)
    }

    fn wait_until(&self, deadline: Instant) -> io::Result<PathBuf> {
        loop {
            match self.find() {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && Instant::now() < deadline => {}
                done => return done,
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "sysfs tells nobody of a new device"
            )]
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Returns the path of the device node if the device exists now.
    ///
    /// # Errors
    /// Returns `NotFound` if the VM has no such device, or the error of reading sysfs.
    pub fn find(&self) -> io::Result<PathBuf> {
        let missing = || {
            let reason = format!("the VM has no {} {}", self.noun, self.value);
            io::Error::new(io::ErrorKind::NotFound, reason)
        };
        let devices = match fs::read_dir(self.class) {
            // No driver of this kind has found a device yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            other => other?,
        };
        for device in devices {
            let device = device?;
            let value = fs::read_to_string(device.path().join(self.attribute)).unwrap_or_default();
            if value.trim_end() == self.value {
                return Ok(Path::new("/dev").join(device.file_name()));
            }
        }
        Err(missing())
    }
}

/// Returns the search for the disk with this serial number.
pub fn disk(serial: &str) -> DeviceQuery<'_> {
    DeviceQuery {
        class: "/sys/block",
        attribute: "serial",
        value: serial,
        noun: "disk with the serial number",
    }
}

/// Returns the search for the virtserialport with this name.
pub fn port(name: &str) -> DeviceQuery<'_> {
    DeviceQuery {
        class: "/sys/class/virtio-ports",
        attribute: "name",
        value: name,
        noun: "virtserialport",
    }
}

#[cfg(test)]
mod tests;

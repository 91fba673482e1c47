//! The disks of a container: an image with a shell, and an empty writable disk.

use super::eventually::eventually;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Programs of the image, with the libraries that they need.
const PROGRAMS: [&str; 8] = [
    "/bin/sh",
    "/bin/cat",
    "/bin/sleep",
    "/bin/true",
    "/bin/readlink",
    "/usr/bin/id",
    "/usr/bin/stty",
    "/usr/bin/tail",
];

/// Loop devices that the test's sysfs shows as disks with serial numbers, as a guest's virtio disks. They are detached
/// when this value is dropped.
pub struct Disks(Vec<PathBuf>);

impl Disks {
    /// The serial number of the image with a shell.
    pub const IMAGE: &'static str = "image";
    /// The serial number of the empty disk.
    pub const WRITABLE: &'static str = "writable";

    /// Makes a container's two disks and attaches them: the squashfs image [`Self::IMAGE`], with a shell and a few
    /// programs, and the empty ext4 disk [`Self::WRITABLE`] of 16 MiB. Their files are in `/tmp/disks`. Panics if a
    /// step fails.
    pub fn new() -> Self {
        let dir = Path::new("/tmp/disks");
        let image = dir.join("root");
        for name in ["bin", "etc", "data", "proc", "sys", "dev"] {
            fs::create_dir_all(image.join(name)).unwrap();
        }
        for program in PROGRAMS {
            copy(program, &image);
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:www:/var/www:/bin/false\n";
        fs::write(image.join("etc/passwd"), passwd).unwrap();
        fs::write(image.join("etc/group"), "root:x:0:\nwww:x:34:\n").unwrap();
        fs::write(image.join("data/greeting"), "of the image\n").unwrap();
        let [squashfs, ext4] = ["image.squashfs", "writable.ext4"].map(|name| dir.join(name));
        run(Command::new("mksquashfs")
            .arg(&image)
            .arg(&squashfs)
            .args(["-quiet", "-no-progress"]));
        fs::File::create(&ext4).unwrap().set_len(16 << 20).unwrap();
        run(Command::new("mke2fs")
            .args(["-q", "-F", "-t", "ext4"])
            .arg(&ext4));
        let mut disks = Self::squashfs(&image, Self::IMAGE);
        disks.attach(&ext4, Self::WRITABLE);
        disks
    }

    /// Makes a squashfs file of the files in the directory `dir`, beside it and named `DIR.squashfs`, and attaches it
    /// as a disk with the serial number `serial`. Panics if a step fails.
    pub fn squashfs(dir: &Path, serial: &str) -> Self {
        let file = dir.with_extension("squashfs");
        let quiet = ["-quiet", "-no-progress"];
        run(Command::new("mksquashfs").arg(dir).arg(&file).args(quiet));
        let mut disks = Self(Vec::new());
        disks.attach(&file, serial);
        disks
    }

    fn attach(&mut self, file: &Path, serial: &str) {
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(file));
        let device = PathBuf::from(device.trim());
        let shown = Path::new("/sys/block").join(device.file_name().unwrap());
        eventually("the device's node", || device.exists().then_some(()));
        self.0.push(device);
        fs::create_dir_all(&shown).unwrap();
        fs::write(shown.join("serial"), format!("{serial}\n")).unwrap();
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for device in &self.0 {
            // One that is mounted goes with its last mount.
            run(Command::new("losetup").arg("--detach").arg(device));
        }
    }
}

/// Runs a program to its end and returns what it printed.
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: run `make tools`"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// Copies a program and the libraries that it needs.
fn copy(program: &str, root: &Path) {
    let needed = run(Command::new("ldd").arg(program));
    let needed = needed
        .split_ascii_whitespace()
        .filter(|word| word.starts_with('/'));
    for path in needed.chain([program]) {
        let target = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}

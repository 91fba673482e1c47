//! Makes root file systems of images for tests: busybox and the files that a test adds.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::world::Lab;

/// Bytes of an empty disk for what a container writes; a sparse file.
const DISK: &str = "256M";

/// A root file system that a test assembles, as files in a directory below the test's.
#[derive(Debug)]
pub struct RootFs {
    lab: Lab,
    dir: PathBuf,
}

impl RootFs {
    /// Makes a root file system with busybox in `/bin`, a link for each of its programs, and the files that they need,
    /// with the users `root` and `www`. `name` is that of its directory, unique in the test.
    ///
    /// # Errors
    /// Returns an error if busybox is not available or a file cannot be written.
    pub fn busybox(lab: &Lab, name: &str) -> Result<Self> {
        let dir = lab.path(name);
        for part in ["bin", "etc", "root", "tmp", "var"] {
            fs::create_dir_all(dir.join(part))?;
        }
        let rootfs = Self {
            lab: lab.clone(),
            dir,
        };
        let busybox = paths::busybox()?;
        let rootfs = rootfs.program(&busybox, "/bin/busybox")?;
        let list = Command::new(&busybox).arg("--list").output()?;
        for applet in String::from_utf8_lossy(&list.stdout).lines() {
            if applet != "busybox" {
                symlink("busybox", rootfs.dir.join("bin").join(applet))?;
            }
        }
        rootfs
            .file(
                "/etc/passwd",
                "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34:www:/var:/bin/sh\n",
            )?
            .file("/etc/group", "root:x:0:\nwww:x:34:\nlogs:x:4:www\n")
    }

    /// Adds a file with this text at `path` in the root file system, with the directories above it, and returns the
    /// root file system. An existing file is replaced.
    ///
    /// # Errors
    /// Returns the error of the system if the file cannot be written.
    pub fn file(self, path: &str, text: &str) -> Result<Self> {
        let path = self.inside(path)?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
        Ok(self)
    }

    /// Adds a program of this machine, which must be statically linked or a script, at `path` in the root file system.
    /// `here` is its path on this machine. Makes it executable, and returns the root file system.
    ///
    /// # Errors
    /// Returns the error of the system if the program cannot be copied.
    pub fn program(self, here: &Path, path: &str) -> Result<Self> {
        let path = self.inside(path)?;
        fs::copy(here, &path).with_context(|| here.display().to_string())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(self)
    }

    /// Adds an executable shell script at `path` in the root file system, and returns that. `text` is the script
    /// without its first line, `#!/bin/sh`, which is added.
    ///
    /// # Errors
    /// Returns the error of the system if the script cannot be written.
    pub fn script(self, path: &str, text: &str) -> Result<Self> {
        let rootfs = self.file(path, &format!("#!/bin/sh\n{text}\n"))?;
        let path = rootfs.inside(path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(rootfs)
    }

    /// Makes a squashfs image of the root file system, a file beside its directory, and returns the image's path. All
    /// files belong to root in it.
    ///
    /// # Errors
    /// Returns an error if mksquashfs fails.
    pub fn squashfs(&self) -> Result<PathBuf> {
        let disk = self.dir.with_extension("squashfs");
        let mut command = Command::new("mksquashfs");
        command.arg(&self.dir).arg(&disk);
        command.args([
            "-all-root",
            "-noI",
            "-noD",
            "-noF",
            "-noX",
            "-no-progress",
            "-quiet",
        ]);
        run(command)?;
        Ok(disk)
    }

    /// Makes a tar archive of the root file system, for `docker import`, as a file beside its directory, and returns
    /// the archive's path. All files belong to root in it.
    ///
    /// # Errors
    /// Returns an error if tar fails.
    pub fn tar(&self) -> Result<PathBuf> {
        let tar = self.dir.with_extension("tar");
        let mut command = Command::new("tar");
        command.args(["--owner=0", "--group=0", "--numeric-owner", "-C"]);
        command.arg(&self.dir).arg("-cf").arg(&tar).arg(".");
        run(command)?;
        Ok(tar)
    }

    fn inside(&self, path: &str) -> Result<PathBuf> {
        let path = self.dir.join(path.trim_start_matches('/'));
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(path)
    }

    /// Returns the environment of the test that the root file system belongs to.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }
}

/// Makes an image of a disk at `path`, a sparse file with an empty ext4 file system of 256 MiB, for the files that a
/// container writes. An existing file is overwritten.
///
/// # Errors
/// Returns an error if mke2fs fails.
pub fn empty_disk(path: &Path) -> Result<()> {
    let mut command = Command::new("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-m", "0"]);
    command.args(["-O", "^has_journal,^resize_inode,^metadata_csum"]);
    command.args(["-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"]);
    command.arg(path).arg(DISK);
    run(command)
}

fn run(mut command: Command) -> Result<()> {
    let program = command.get_program().to_os_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| program.display().to_string())?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

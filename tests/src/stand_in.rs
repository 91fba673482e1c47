//! Containers whose VM is a stand-in for QEMU, the program `tests/examples/stand-in.rs`. Coordinator and shims (the
//! processes that run one VM each) are the real ones. The first word of the container's command selects how the
//! stand-in behaves.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

use crate::paths;
use crate::vch::Coordinator;
use crate::world::Lab;

/// Returns the table `[runtime]` of vch.toml, as TOML text, that makes a VCH start stand-ins instead of QEMU: processes
/// of `tests/examples/stand-in.rs`, which behave as the first word of the container's command says. `behaviours` are
/// all such words that the test uses. To be called once in a test.
///
/// # Errors
/// Returns an error if a program was not built or the directory cannot be made.
pub fn runtime_table(lab: &Lab, behaviours: &[&str]) -> Result<String> {
    runtime_table_of(lab, behaviours, &paths::built("vch-shim")?)
}

/// Returns the table `[runtime]` of vch.toml as [`runtime_table`] does, for a VCH whose VMs are run by the program
/// `vch-shim` of another release, at the path `shim`. To be called once in a test.
///
/// # Errors
/// Returns an error if a program was not built or the directory cannot be made.
pub fn runtime_table_of(lab: &Lab, behaviours: &[&str], shim: &Path) -> Result<String> {
    // A directory with the stand-in, the shim, and a link for each behaviour, where an ordinary user finds them.
    let dir = lab.path("stand-in");
    fs::create_dir(&dir).context("make a folder")?;
    let mut above = Some(&*dir);
    while let Some(path) = above.filter(|path| path.starts_with(lab.dir())) {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).context("open a folder")?;
        above = path.parent();
    }
    let stand_in = paths::built("examples/stand-in")?;
    for (built, name) in [(shim, "vch-shim"), (&stand_in, "stand-in")] {
        fs::copy(built, dir.join(name)).context("copy a program")?;
    }
    for behaviour in behaviours {
        symlink("stand-in", dir.join(behaviour)).context("make a link")?;
    }
    // Neither is read.
    let kernel = Path::new("/etc/passwd");
    let table = Coordinator::runtime_table_of(kernel, kernel);
    let shim = dir.join("stand-in");
    Ok(format!(
        "{table}shim = \"{}\"\nboot = \"cold\"\n",
        shim.display()
    ))
}

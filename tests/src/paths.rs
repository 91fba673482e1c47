//! The paths of the programs and images that `make` builds.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::bootstrap::{Image, Recipe, Variant};

/// The environment variable with the directory of the programs that `make tools` installs, if it is not
/// `target/tools`.
pub const TOOLS_VARIABLE: &str = "VCH_TOOLS_DIR";
/// The environment variable with the directory of the VMs' boot images and their downloads, if it is not
/// `target/image`.
pub const IMAGE_VARIABLE: &str = "VCH_IMAGE_DIR";
/// The environment variable with the directory of unpacked packages of other projects' programs, such as dockerd,
/// if it is not `target/peers`.
pub const PEERS_VARIABLE: &str = "VCH_PEERS_DIR";
/// The environment variable with the path of the statically linked agent, if it is not `target/agent/tether-net`.
pub const AGENT_VARIABLE: &str = "VCH_AGENT";

/// Returns the project's top directory.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the path of a program that `make tools` installs. The program may be missing.
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    dir(TOOLS_VARIABLE, "target/tools").join("bin").join(name)
}

/// Returns the directory of the Python packages that `make tools` installs. It may be missing.
#[must_use]
pub fn python() -> PathBuf {
    dir(TOOLS_VARIABLE, "target/tools").join("python")
}

/// Returns the directory of unpacked packages of other projects' programs, such as dockerd, with which the VCH is
/// compared. It may be missing.
#[must_use]
pub fn peers() -> PathBuf {
    dir(PEERS_VARIABLE, "target/peers")
}

/// Returns the path of the statically linked agent (`tether-net`) that `make agent` builds. It may be missing.
#[must_use]
pub fn agent() -> PathBuf {
    dir(AGENT_VARIABLE, "target/agent/tether-net")
}

/// Returns the path of `vsock-probe`, a program that uses AF_VSOCK in VMs. `make probe` builds it beside the agent; it
/// may be missing.
#[must_use]
pub fn probe() -> PathBuf {
    agent().with_file_name("vsock-probe")
}

/// Returns the path of a statically linked `vch-coordinator` or `vchctl`, for VMs that are a VCH themselves. `make
/// host` builds it beside the agent; it may be missing.
#[must_use]
pub fn host_program(name: &str) -> PathBuf {
    agent().with_file_name(name)
}

/// Returns the path of a program of this workspace that was built with the same profile (debug or release) as the
/// running test, example or program.
///
/// # Errors
/// Returns an error if the program was not built.
pub fn built(name: &str) -> Result<PathBuf> {
    let running = env::current_exe().context("find the running program")?;
    let dir = running.parent().context("a program is in a folder")?;
    // Cargo puts tests and examples one directory below the programs.
    let below = dir.ends_with("deps") || dir.ends_with("examples");
    let profile = dir.parent().filter(|_| below).unwrap_or(dir);
    let program = profile.join(name);
    ensure!(
        program.is_file(),
        "{}: not there; run `cargo build --workspace --bins --examples`",
        program.display()
    );
    Ok(program)
}

/// Makes the boot image (kernel and initramfs with busybox) of a VM without an agent, and returns its paths. The first
/// call downloads its parts, later ones take milliseconds.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn bare_image() -> Result<Image> {
    build(&Recipe::new("bare"))
}

/// Makes the boot image (kernel and initramfs) of a VM without an agent, in which tests run the program [`probe`] as
/// `/sbin/vsock-probe`, and returns its paths.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn probing_image() -> Result<Image> {
    build(&Recipe::new("probing").add(probe(), "/sbin/vsock-probe"))
}

/// Makes the boot image (kernel and initramfs) of a VM with the agent that `make agent` built, and returns its paths.
/// Such a VM has a container's network, but runs no container's image.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn container_image() -> Result<Image> {
    build(&Recipe::new("container").agent(agent()))
}

/// Makes the boot image (kernel and initramfs) of a VM with the agent and the program [`probe`], and returns its paths.
/// It is for tests that look at a running agent from its own VM.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn guarded_image() -> Result<Image> {
    let recipe = Recipe::new("guarded").agent(agent());
    build(&recipe.add(probe(), "/sbin/vsock-probe"))
}

/// Makes the boot image (kernel and initramfs) of a VM that is itself a VCH, and returns its paths. `add` are further
/// files, each with its path here and its absolute path in the VM.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn host_image(add: &[(&Path, &str)]) -> Result<Image> {
    let recipe = Recipe::new("host").variant(Variant::Host).agent(agent());
    build(
        &add.iter()
            .fold(recipe, |recipe, (here, there)| recipe.add(*here, there)),
    )
}

/// Returns the path of `container-init`, the first process of container VMs, statically linked. `make init` builds it
/// beside the agent; it may be missing.
#[must_use]
pub fn init() -> PathBuf {
    agent().with_file_name("container-init")
}

/// Makes the boot image (kernel and initramfs) of a VM that runs a container's image, with `container-init` as its
/// first process and with the agent, and returns its paths.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn vm_image() -> Result<Image> {
    let recipe = Recipe::new("vm").variant(Variant::Workload);
    build(&recipe.init(init()).agent(agent()))
}

/// Makes the boot image (kernel and initramfs) of a VM that runs a container's image, with `container-init` as its
/// first process and without the agent, and returns its paths. Such a container has no network to wait for.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn lonely_image() -> Result<Image> {
    let recipe = Recipe::new("lonely").variant(Variant::Workload);
    build(&recipe.init(init()))
}

/// Returns the path of the statically linked busybox, which is in boot images without `container-init`, and in the root
/// file systems that tests make. Makes the image of [`bare_image`] first, with which it is downloaded.
///
/// # Errors
/// Returns an error if the boot image that it comes with cannot be made.
pub fn busybox() -> Result<PathBuf> {
    bare_image()?;
    Ok(dir(IMAGE_VARIABLE, "target/image").join("busybox/bin/busybox"))
}

/// Makes a boot image from a recipe in the directory of boot images, and returns its paths. No two recipes may have the
/// same name, since the image's file is named after it.
///
/// # Errors
/// Returns an error if the image cannot be made.
pub fn build(recipe: &Recipe) -> Result<Image> {
    recipe
        .build(&dir(IMAGE_VARIABLE, "target/image"))
        .context("the image can't be made; see `make image`")
}

fn dir(variable: &str, default: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| workspace().join(default), PathBuf::from)
}

//! The program `image`. `image build` makes the bootstrap image: the kernel and initramfs that
//! container VMs boot.

use std::path::PathBuf;
use std::time::Instant;

use clap::{Parser, Subcommand, ValueEnum};
use image::bootstrap::{Recipe, Variant};

#[derive(Parser)]
#[command(about = "Makes the bootstrap image of container VMs")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the kernel and NAME.cpio in a directory; a second run with the same inputs writes nothing
    Build {
        /// The directory for downloads and results
        #[arg(long)]
        out: PathBuf,
        /// The image's name
        #[arg(long, default_value = "container")]
        name: String,
        /// The modules that it loads
        #[arg(long, value_enum, default_value_t = For::Container)]
        variant: For,
        /// A static tether-net to bake in as /sbin/tether-net
        #[arg(long)]
        agent: Option<PathBuf>,
        /// A static program that is the first process, in place of the shell script
        #[arg(long)]
        init: Option<PathBuf>,
        /// A file to bake in: its path here, a colon, its absolute path in the guest
        #[arg(long, value_name = "HOST:GUEST", value_parser = added)]
        add: Vec<(PathBuf, String)>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum For {
    /// A container VM
    Container,
    /// A VM that is a Virtual Container Host itself
    Host,
    /// A container VM that runs an image
    Workload,
}

fn added(text: &str) -> Result<(PathBuf, String), String> {
    let (host, guest) = text
        .rsplit_once(':')
        .ok_or("write HOST:GUEST, such as target/tool:/bin/tool")?;
    Ok((host.into(), guest.to_owned()))
}

fn main() -> anyhow::Result<()> {
    let Command::Build {
        out,
        name,
        variant,
        agent,
        init,
        add,
    } = Cli::parse().command;
    let started = Instant::now();
    let variant = match variant {
        For::Container => Variant::Container,
        For::Host => Variant::Host,
        For::Workload => Variant::Workload,
    };
    let mut recipe = Recipe::new(&name).variant(variant);
    if let Some(agent) = agent {
        recipe = recipe.agent(agent);
    }
    if let Some(init) = init {
        recipe = recipe.init(init);
    }
    for (host, guest) in add {
        recipe = recipe.add(host, &guest);
    }
    let image = recipe.build(&out)?;
    let state = if image.changed {
        "written"
    } else {
        "unchanged"
    };
    println!(
        "{}: {state}, {} KiB, {:.1} s",
        image.initramfs.display(),
        image.initramfs_bytes / 1024,
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

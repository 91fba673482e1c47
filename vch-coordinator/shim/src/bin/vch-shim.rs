//! The shim: the process that runs one container VM. The coordinator starts it, with a [`Launch`] as JSON on its
//! standard input.

use std::{io::Write, path::Path, process::ExitCode};
use vch_shim::{Launch, descriptors, run, template};

fn main() -> ExitCode {
    if let Err(error) = descriptors::close_at_exec() {
        return ended(Err(error.into()));
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, dir] = &arguments[..]
        && word == "template"
    {
        return ended(save(Path::new(dir)));
    }
    if !arguments.is_empty() {
        eprintln!(
            "vch-shim {}: started by vch-coordinator for each container VM, with a launch as JSON on standard input",
            env!("CARGO_PKG_VERSION")
        );
        return ExitCode::from(2);
    }
    ended(live())
}

fn ended(done: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vch-shim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Makes a template of what the launch says, without disks and NICs.
fn save(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let launch = Launch::read(std::io::stdin().lock())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(template::make(&launch, dir))?)
}

fn live() -> Result<(), Box<dyn std::error::Error>> {
    // A session of its own: neither the coordinator's terminal nor, for a shim that stands still, the coordinator's end
    // sends it SIGHUP (setpgid(2), orphaned process groups).
    nix::unistd::setsid()?;
    let launch = Launch::read(std::io::stdin().lock())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(launch, || {
        // The coordinator may have died meanwhile: the VM is started all the same, and found by the next one.
        let _ = writeln!(std::io::stdout(), "ready");
    }))?;
    Ok(())
}

//! A VM for tests that need none: stands between the coordinator and the shim, and in for QEMU.
//!
//! Started as `runtime.shim` it lets the real shim, `vch-shim` beside it, start this program in place of QEMU. The first
//! word of the container's command says how the guest behaves; it is a link to this program, beside it, too.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../vch-coordinator/shim/tests/hostile/stand_in.rs"]
mod stand_in;

use std::{
    fs::File,
    io::Read,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "-chardev") {
        return stand_in::run(&arguments);
    }
    let own = std::env::current_exe().unwrap();
    let dir = own.parent().unwrap();
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let mut launch: serde_json::Value = serde_json::from_str(&text).unwrap();
    let behaviour = launch["start"]["process"]["words"][0].as_str().unwrap();
    launch["program"] = dir.join(behaviour).display().to_string().into();
    // The shim reads it from there, and no other process finds it.
    let path = dir.join(format!("launch.{}", std::process::id()));
    std::fs::write(&path, launch.to_string()).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = Command::new(dir.join("vch-shim"))
        .args(&arguments[1..])
        .stdin(file)
        .exec();
    eprintln!("stand-in: {error}");
    ExitCode::FAILURE
}

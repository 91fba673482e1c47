//! README's first commands, typed word for word by a person at a terminal of this machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lab::{Lab, Terminal, paths};

/// Of the whole block: what it builds is built already, and two VMs boot.
const SOON: Duration = Duration::from_secs(400);
/// The line of README that the block follows.
const BEHIND: &str = "`tar` made, or with busybox:";
/// The directory that the block makes.
const BOX: &str = "/tmp/box";

/// The programs of the test's own build, so that nothing is compiled once more.
fn make() -> Command {
    let mut make = Command::new("env");
    make.arg("VCH_PROFILE=dev");
    make.current_dir(paths::workspace());
    make
}

/// Removes what the block made, also where it came to no end.
struct Removed;

impl Drop for Removed {
    fn drop(&mut self) {
        drop(
            make()
                .args(["make", "vch-down"])
                .stdout(Stdio::null())
                .status(),
        );
        drop(fs::remove_dir_all(BOX));
    }
}

/// The lines of the indented block behind a line of README.
fn block(readme: &str, behind: &str) -> String {
    let lines = readme.lines().skip_while(|line| !line.starts_with(behind));
    let block = lines.skip(1).skip_while(|line| line.is_empty());
    let typed = block.map_while(|line| line.strip_prefix("    "));
    typed.fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_first_commands_of_readme_do_what_it_says() {
    let lab = Lab::of_vms("readme").unwrap();
    assert!(
        !paths::workspace().join("target/vch/env").exists(),
        "a VCH is up here: `make vch-down` first"
    );
    assert!(!Path::new(BOX).exists(), "{BOX} is there already");
    let readme = fs::read_to_string(paths::workspace().join("README.md")).unwrap();
    let typed = block(&readme, BEHIND);
    assert!(typed.contains("docker run -it"), "{typed}");
    assert!(typed.trim_end().ends_with("make vch-down"), "{typed}");
    let script = lab.path("typed");
    fs::write(&script, format!("set -e\nmake vch\n{typed}")).unwrap();

    let removed = Removed;
    let mut shell = make();
    shell.arg("sh");
    let terminal = Terminal::run(shell, &format!("bash {}", script.display())).unwrap();
    let shown = terminal.end(SOON).unwrap();
    assert!(shown.contains("3 packets received"), "{shown}");
    assert!(shown.contains("Hello world!"), "{shown}");
    let phases = shown.lines().filter(|line| line.starts_with("--- "));
    let timed = phases.filter(|line| line.ends_with(" s")).count();
    assert_eq!(
        timed, 6,
        "each phase of `make vch` says how long it took: {shown}"
    );
    assert!(!paths::workspace().join("target/vch").exists());
    drop(removed);
}

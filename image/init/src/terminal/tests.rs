use super::{new, resize};
use protocol::process::TerminalSize;
use std::process::Command;

#[test]
fn a_terminal_has_the_size_that_it_was_given() {
    let (master, slave, name) = new().unwrap();
    assert!(name.starts_with("/dev/pts/"), "{name}");
    for (rows, columns) in [(24, 80), (1, 1), (u16::MAX, 300)] {
        resize(&master, TerminalSize { rows, columns });
        let shown = Command::new("stty")
            .arg("size")
            .stdin(slave.try_clone().unwrap())
            .output()
            .unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert_eq!(shown, format!("{rows} {columns}\n"));
    }
}

use super::{Program, find, limit};
use crate::{
    fork::{fork, leave},
    guest_lab::in_guest,
    start_error::StartError,
};
use nix::{
    sys::{
        stat::Mode,
        wait::{WaitStatus, waitpid},
    },
    unistd::mkfifo,
};
use protocol::process::Fault;
use std::{
    fs::{self, Permissions},
    io::Read,
    os::unix::fs::PermissionsExt,
    path::Path,
};

fn args(args: &[&str]) -> Vec<String> {
    args.iter().map(|&arg| arg.to_owned()).collect()
}

fn found(program: &str, path: &str) -> Result<String, StartError> {
    let environment = vec!["LANG=C".to_owned(), format!("PATH={path}")];
    let program = find(&args(&[program]), environment)?;
    Ok(program.path.into_string().unwrap())
}

fn script(path: &Path, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_program_is_looked_up_as_a_shell_does() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let shown = |name: &str| at(name).display().to_string();
    for name in ["first", "second"] {
        fs::create_dir(at(name)).unwrap();
    }
    script(&at("first/plain"), "text", 0o644);
    script(&at("first/tool"), "#!/bin/sh\n", 0o755);
    script(&at("second/plain"), "#!/bin/sh\n", 0o755);
    script(&at("second/tool"), "#!/bin/sh\n", 0o755);
    fs::create_dir(at("first/dir")).unwrap();
    mkfifo(&at("first/pipe"), Mode::S_IRWXU).unwrap();
    let path = format!("/nowhere:{}:{}", shown("first"), shown("second"));

    assert_eq!(found("tool", &path), Ok(shown("first/tool")));
    // One that is no program is passed by.
    assert_eq!(found("plain", &path), Ok(shown("second/plain")));
    // With a slash there is no search.
    assert_eq!(found(&shown("second/tool"), ""), Ok(shown("second/tool")));

    let refused = |program: &str, path: &str| {
        let StartError { fault, reason } = found(program, path).unwrap_err();
        (fault, reason)
    };
    let missing = "exec: \"absent\": executable file not found in $PATH".to_owned();
    assert_eq!(refused("absent", &path), (Fault::NotFound, missing));
    let reason = "no command specified".to_owned();
    assert_eq!(refused("", &path), (Fault::NotFound, reason));
    let absent = shown("absent");
    let reason = format!("exec: {absent:?}: stat {absent}: no such file or directory");
    assert_eq!(refused(&absent, ""), (Fault::NotFound, reason));
    for (name, why) in [
        ("first/plain", "permission denied"),
        ("first/pipe", "permission denied"),
        ("first/dir", "is a directory"),
    ] {
        let path = shown(name);
        let reason = format!("exec: {path:?}: {why}");
        assert_eq!(refused(&path, ""), (Fault::NotExecutable, reason));
    }
    // What was found first and can't be run is told, if nothing better is found.
    let (fault, reason) = refused("plain", &shown("first"));
    assert_eq!(fault, Fault::NotExecutable);
    assert!(reason.ends_with("permission denied"), "{reason}");
    // An empty element is the working directory.
    assert_eq!(refused("absent", "::").0, Fault::NotFound);
}

#[test]
fn no_argument_holds_a_zero_byte() {
    let error = find(&args(&["/bin/sh", "a\0b"]), Vec::new()).err().unwrap();
    let expected = StartError::other("a word holds a zero byte".to_owned());
    assert_eq!(error, expected);
}

#[test]
fn every_number_of_setrlimit_has_its_resource() {
    let resources: Vec<_> = (0..=15).map(|number| limit(number).unwrap()).collect();
    for (number, resource) in resources.iter().enumerate() {
        assert_eq!(*resource as usize, number, "{resource:?}");
    }
    assert_eq!(limit(16), None);
}

/// Runs a program in a child; returns what it printed, or why it did not run.
fn run(program: &Program) -> String {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let Some(child) = fork(0).unwrap() else {
        nix::unistd::dup2_stdout(&writer).unwrap();
        let error = program.exec();
        println!("{:?} {}", error.fault, error.reason);
        leave(0)
    };
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    text
}

#[test]
fn a_program_runs_with_its_arguments_and_its_environment_alone() {
    let name = "confine::tests::a_program_runs_with_its_arguments_and_its_environment_alone";
    in_guest(name, || {
        let environment = || vec!["PATH=/bin".to_owned(), "A=1".to_owned()];
        let words = args(&["sh", "-c", "echo $0 $A $HOME $@", "zero", "one"]);
        let program = find(&words, environment()).unwrap();
        assert_eq!(run(&program), "zero 1 one\n");
        let below = program.below("/bin/echo", ["called".to_owned(), "--".to_owned()]);
        let below = below.unwrap();
        assert_eq!(run(&below), "-- sh -c echo $0 $A $HOME $@ zero one\n");
        assert!(
            program
                .below("a\0b", ["".to_owned(), "".to_owned()])
                .is_err()
        );

        script(Path::new("/tmp/data"), "\u{7f}no program", 0o755);
        let broken = find(&args(&["/tmp/data"]), environment()).unwrap();
        assert_eq!(
            run(&broken),
            "NotExecutable exec /tmp/data: exec format error\n"
        );
        script(Path::new("/tmp/script"), "#!/absent\n", 0o755);
        let broken = find(&args(&["/tmp/script"]), environment()).unwrap();
        let reason = "NotFound exec /tmp/script: no such file or directory\n";
        assert_eq!(run(&broken), reason);
    });
}

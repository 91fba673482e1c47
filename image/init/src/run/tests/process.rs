//! Processes, streams and requests, from the shim's side of the line.

use super::booted::{MAIN, booted, shell, start};
use crate::{
    cgroup,
    guest_lab::{Disks, Shim, in_guest},
    run::{same_release, serve},
    start_error::StartError,
};
use protocol::process::{
    Fault, FromInit, Output, Phase, Process, ProcessId, TerminalSize, ToInit, VERSION, WINDOW,
};

const SIGTERM: u8 = 15;
const SIGKILL: u8 = 9;

#[test]
fn a_container_runs_to_its_end_phase_by_phase() {
    in_guest(|| {
        let disks = Disks::new();
        let mut shim = booted();
        shim.start(&start(shell(
            "echo $$; cat /data/greeting; echo kept > /data/file; echo wrong >&2; exit 3",
        )));
        let mut phases = Vec::new();
        while phases.last() != Some(&Phase::Process) {
            if let FromInit::Phase { phase, .. } = shim.next() {
                phases.push(phase);
            }
        }
        let expected = [Phase::Mounted, Phase::Agent, Phase::Network, Phase::Process];
        assert_eq!(phases, expected);
        assert_eq!(shim.next(), FromInit::Started { id: MAIN, pid: 1 });
        let (stdout, stderr, exit) = shim.ended(MAIN);
        assert_eq!(stdout, "1\nof the image\n");
        assert_eq!(stderr, "wrong\n");
        assert_eq!((exit.code, exit.out_of_memory), (3, false));
        assert_eq!(shim.power_off(), 0);
        drop(disks);
    });
}

#[test]
fn input_reaches_the_process_and_ends_behind_what_was_sent() {
    in_guest(|| {
        let _disks = Disks::new();
        let mut shim = booted();
        // Before there is a process: it waits.
        let input = |bytes: &[u8]| ToInit::Input {
            id: MAIN,
            bytes: bytes.to_vec(),
        };
        shim.send(&input(b"early "));
        shim.start(&start(Process {
            input: true,
            ..shell("cat; echo end")
        }));
        shim.started(MAIN);
        shim.send(&input(b"and late\n"));
        shim.send(&ToInit::InputEnd { id: MAIN });
        let mut taken = 0;
        let mut seen = Vec::new();
        shim.until(|message| {
            match message {
                FromInit::Taken { bytes, .. } => taken += bytes,
                FromInit::Output { bytes, .. } => seen.extend_from_slice(bytes),
                FromInit::Exited { .. } => return Some(()),
                _ => {}
            }
            None
        });
        assert_eq!(String::from_utf8(seen).unwrap(), "early and late\nend\n");
        assert_eq!(taken, 15);
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn output_stops_at_its_window_and_goes_on_as_it_is_given_back() {
    in_guest(|| {
        let _disks = Disks::new();
        let mut shim = booted();
        let lines = 100_000;
        let script = format!("i=0; while [ $i -lt {lines} ]; do echo 0123456789; i=$((i+1)); done");
        shim.start(&start(shell(&script)));
        shim.started(MAIN);
        let mut under_way = 0;
        shim.until(|message| {
            if let FromInit::Output { bytes, .. } = message {
                under_way += u32::try_from(bytes.len()).unwrap();
            }
            (under_way == WINDOW).then_some(())
        });
        // Nothing more comes of it, while the rest of init goes on.
        shim.send(&ToInit::Usage { request: 5 });
        match shim.next() {
            FromInit::Used { request: 5, .. } => {}
            other => panic!("{other:?}"),
        }
        shim.send(&ToInit::Taken {
            id: MAIN,
            stream: Output::Stdout,
            bytes: under_way,
        });
        let (rest, _, exit) = shim.ended(MAIN);
        assert_eq!(rest.len() + WINDOW as usize, lines * 11);
        assert_eq!(exit.code, 0);
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn others_run_beside_the_main_process_and_end_with_it() {
    in_guest(|| {
        let _disks = Disks::new();
        let mut shim = booted();
        shim.start(&start(shell("sleep 1000")));
        shim.started(MAIN);
        let exec = |id, process| ToInit::Exec {
            id: ProcessId(id),
            process: Box::new(process),
        };
        shim.send(&exec(1, shell("echo $$; readlink /proc/1/exe; exit 4")));
        let inner = shim.started(ProcessId(1));
        let (stdout, _, exit) = shim.ended(ProcessId(1));
        assert!(stdout.starts_with(&format!("{inner}\n")), "{stdout}");
        assert_eq!(exit.code, 4);

        shim.send(&exec(
            2,
            Process {
                args: vec!["nothing-of-that-name".to_owned()],
                ..shell("")
            },
        ));
        let StartError { fault, reason } = shim.not_started(ProcessId(2));
        assert_eq!(fault, Fault::NotFound);
        assert!(reason.contains("not found in $PATH"), "{reason}");
        shim.send(&exec(
            2,
            Process {
                user: "nobody".to_owned(),
                ..shell("")
            },
        ));
        assert_eq!(shim.not_started(ProcessId(2)).fault, Fault::User);

        shim.send(&exec(3, shell("sleep 2000")));
        shim.started(ProcessId(3));
        shim.send(&ToInit::List { request: 9 });
        let listed = shim.until(|message| match message {
            FromInit::Listed {
                request: 9,
                processes,
            } => Some(processes.clone()),
            _ => None,
        });
        let mut commands: Vec<_> = listed.iter().map(|one| &*one.command_line).collect();
        commands.sort_unstable();
        assert!(
            commands.iter().any(|line| line.contains("sleep 1000")),
            "{commands:?}"
        );
        assert!(
            commands.iter().any(|line| line.contains("sleep 2000")),
            "{commands:?}"
        );
        assert_eq!((listed[0].pid, listed[0].parent), (1, 0));

        shim.send(&ToInit::Signal {
            id: MAIN,
            signal: SIGKILL,
        });
        // What was begun beside it is told first.
        let mut ends = Vec::new();
        while ends.len() < 2 {
            if let FromInit::Exited { id, exit } = shim.next() {
                ends.push((id, exit.code));
            }
        }
        assert_eq!(ends, [(ProcessId(3), 137), (MAIN, 137)]);
        shim.send(&exec(4, shell("true")));
        assert_eq!(
            shim.not_started(ProcessId(4)).reason,
            "the container does not run"
        );
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn a_terminal_has_a_size_that_changes_and_is_the_console() {
    in_guest(|| {
        let _disks = Disks::new();
        let mut shim = booted();
        let size = |rows, columns| TerminalSize { rows, columns };
        shim.start(&start(Process {
            terminal: Some(size(33, 44)),
            input: true,
            ..shell("stty size; read word; stty size; test -c /dev/console && echo $word")
        }));
        shim.started(MAIN);
        let mut screen = String::new();
        let mut show = |shim: &mut Shim, until: &str| {
            shim.until(|message| {
                if let FromInit::Output { bytes, stream, .. } = message {
                    assert_eq!(*stream, Output::Stdout, "a terminal is one stream");
                    screen.push_str(&String::from_utf8_lossy(bytes));
                }
                screen.contains(until).then_some(())
            });
        };
        show(&mut shim, "33 44");
        shim.send(&ToInit::Resize {
            id: MAIN,
            size: size(55, 66),
        });
        // A terminal's input has no end but the one that is typed.
        shim.send(&ToInit::InputEnd { id: MAIN });
        shim.send(&ToInit::Input {
            id: MAIN,
            bytes: b"typed\n".to_vec(),
        });
        show(&mut shim, "55 66");
        let (rest, _, exit) = shim.ended(MAIN);
        assert!(
            format!("{screen}{rest}").matches("typed").count() >= 2,
            "{screen}{rest}"
        );
        assert_eq!(exit.code, 0);
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn a_shim_of_another_release_starts_nothing() {
    assert_eq!(same_release(VERSION), Ok(()));
    let reason = same_release(VERSION + 1).unwrap_err().reason;
    assert!(
        reason.contains(&format!("shim version {}", VERSION + 1)),
        "{reason}"
    );
}

#[test]
fn bounds_usage_and_time_are_answered_without_a_container() {
    in_guest(|| {
        let mut shim = booted();
        shim.send(&ToInit::Clock { now_ms: 1 });
        shim.send(&ToInit::Clock { now_ms: 1 });
        shim.send(&ToInit::Clock {
            now_ms: u64::MAX / 4,
        });
        shim.send(&ToInit::Usage { request: 1 });
        match shim.next() {
            FromInit::Used { request: 1, usage } => {
                assert_eq!(usage.tasks, 0);
                assert!(usage.cpus > 0 && usage.memory_limit > 0, "{usage:?}");
            }
            other => panic!("{other:?}"),
        }
        shim.send(&ToInit::Update {
            request: 2,
            cgroup: Box::default(),
        });
        let answer = FromInit::Updated {
            request: 2,
            refused: Vec::new(),
        };
        assert_eq!(shim.next(), answer);
        shim.send(&ToInit::List { request: 3 });
        let answer = FromInit::Listed {
            request: 3,
            processes: Vec::new(),
        };
        assert_eq!(shim.next(), answer);
        // Of no process.
        shim.send(&ToInit::Signal {
            id: ProcessId(9),
            signal: SIGTERM,
        });
        assert_eq!(shim.power_off(), 0);
    });
}

#[test]
fn init_ends_with_its_line() {
    in_guest(|| {
        cgroup::make().unwrap();
        let (own, its) = nix::unistd::pipe().unwrap();
        drop(own);
        let ended = serve(crate::line::Line::over(its), 7).unwrap_err();
        assert_eq!(ended.to_string(), "the line to the VCH is of no use");
    });
}

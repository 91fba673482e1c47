use super::{Decision, ProcessTable, decide};
use crate::{line::Line, process::StreamEnds, spawn::Started, start_error::StartError};
use nix::{
    sys::{signal::Signal, wait::WaitStatus},
    unistd::Pid,
};
use protocol::{
    frame::Decoder,
    message::Message,
    process::{Fault, FromInit, Output, Process, ProcessId, ToInit},
};
use std::{
    io::{PipeWriter, Read, pipe},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

/// A table, and the shim's end of its line.
struct Told {
    table: ProcessTable,
    line: Line,
    shim: UnixStream,
    decoder: Decoder,
}

impl Told {
    fn new() -> Self {
        let (shim, its) = UnixStream::pair().unwrap();
        shim.set_nonblocking(true).unwrap();
        Self {
            table: ProcessTable::new(),
            line: Line::over(OwnedFd::from(its)),
            shim,
            decoder: Decoder::new(),
        }
    }

    fn told(&mut self) -> Vec<FromInit> {
        self.table.carry(&mut self.line);
        self.table.tell_ends(&mut self.line);
        self.line.flush().unwrap();
        let mut buffer = vec![0; 1 << 20];
        let count = self.shim.read(&mut buffer).unwrap_or(0);
        let mut input = &buffer[..count];
        let mut told = Vec::new();
        while let Some(frame) = self.decoder.next(&mut input) {
            told.push(FromInit::decode(&frame.unwrap().payload).unwrap());
        }
        told
    }

    /// Lets a process run whose output is the returned pipe.
    fn run(&mut self, id: ProcessId, pid: Pid) -> PipeWriter {
        let (output, stdout) = pipe().unwrap();
        let started = Started {
            pid,
            inner: 7,
            ends: StreamEnds {
                input: None,
                outputs: vec![(Output::Stdout, OwnedFd::from(output))],
                terminal: None,
            },
        };
        self.table.started(id, started, None, &mut self.line);
        stdout
    }
}

fn exited(told: &[FromInit]) -> Vec<(u32, u8)> {
    let ends = told.iter().filter_map(|message| match message {
        FromInit::Exited { id, exit } => Some((id.0, exit.code)),
        _ => None,
    });
    ends.collect()
}

#[test]
fn the_main_process_is_released_with_its_network_or_given_up_without() {
    for (ready, held, late, expected) in [
        (true, true, false, Decision::Release),
        // The network came at the last moment.
        (true, true, true, Decision::Release),
        (true, false, false, Decision::Wait),
        // The network is there: a child that is late has a deadline of its own.
        (true, false, true, Decision::Wait),
        (false, true, false, Decision::Wait),
        (false, false, false, Decision::Wait),
        (false, true, true, Decision::Abandon),
        (false, false, true, Decision::Abandon),
    ] {
        assert_eq!(decide(ready, held, late), expected, "{ready} {held} {late}");
    }
}

#[test]
fn the_end_of_the_main_process_is_told_last() {
    let mut told = Told::new();
    // Numbers that no process has.
    let pid = |number| Pid::from_raw(i32::MAX - number);
    let main = told.run(ProcessId::MAIN, pid(0));
    let (first, second) = (
        told.run(ProcessId(1), pid(1)),
        told.run(ProcessId(2), pid(2)),
    );
    assert_eq!(told.told().len(), 4, "three that run, and a phase");
    told.table.ended(pid(0), WaitStatus::Exited(pid(0), 3));
    drop(main);
    assert!(exited(&told.told()).is_empty(), "others run");
    told.table
        .ended(pid(2), WaitStatus::Signaled(pid(2), Signal::SIGKILL, false));
    drop(second);
    assert_eq!(exited(&told.told()), [(2, 137)]);
    told.table.ended(pid(1), WaitStatus::Exited(pid(1), 0));
    drop(first);
    assert_eq!(exited(&told.told()), [(1, 0), (0, 3)]);
    assert!(told.told().is_empty() && told.table.running().next().is_none());
}

#[test]
fn the_end_of_an_orphan_is_nobody_s() {
    let mut told = Told::new();
    let pid = Pid::from_raw(i32::MAX);
    let stdout = told.run(ProcessId(1), pid);
    told.told();
    let orphan = Pid::from_raw(i32::MAX - 1);
    told.table.ended(orphan, WaitStatus::Exited(orphan, 0));
    drop(stdout);
    assert!(told.told().is_empty());
    assert!(told.table.children().next().is_none());
    assert_eq!(told.table.deadline(), None);
}

#[test]
fn nothing_is_begun_in_a_container_that_does_not_run() {
    let mut told = Told::new();
    told.table
        .exec(ProcessId(5), &Process::default(), &mut told.line);
    let reason = "the container does not run".to_owned();
    let expected = FromInit::NotStarted {
        id: ProcessId(5),
        fault: Fault::Other,
        reason,
    };
    assert_eq!(told.told(), [expected]);
}

#[test]
fn what_came_early_is_forgotten_with_a_process_that_does_not_start() {
    let mut told = Told::new();
    let main = ProcessId::MAIN;
    told.table.deliver(
        main,
        ToInit::Signal {
            id: main,
            signal: 15,
        },
    );
    let error = StartError::new(Fault::NotFound, "absent".to_owned());
    told.table.refuse(main, error, &mut told.line);
    assert_eq!(told.told().len(), 1);
    assert!(told.table.early.take(main).is_empty());
}

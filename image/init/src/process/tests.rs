//! A process's streams, by pipes whose other ends the test has.

use super::{RunningProcess, StreamEnds};
use crate::line::Line;
use nix::unistd::Pid;
use protocol::{
    frame::Decoder,
    message::Message,
    process::{Exit, FromInit, MAX_CHUNK, Output, ProcessId, TerminalSize, ToInit, WINDOW},
};
use std::{
    fs::File,
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    os::{fd::OwnedFd, unix::net::UnixStream},
};

const ID: ProcessId = ProcessId(4);
const EXIT: Exit = Exit {
    code: 0,
    out_of_memory: false,
};

/// A process, and the other ends of all that it has.
struct Held {
    process: RunningProcess,
    line: Line,
    shim: UnixStream,
    stdin: Option<PipeReader>,
    stdout: Option<PipeWriter>,
}

/// No process has this number: signals go nowhere.
const PID: i32 = i32::MAX;

impl Held {
    fn new(id: ProcessId) -> Self {
        let (shim, its) = UnixStream::pair().unwrap();
        for stream in [&shim, &its] {
            stream.set_nonblocking(true).unwrap();
        }
        let (stdin, input) = pipe().unwrap();
        let (output, stdout) = pipe().unwrap();
        let ends = StreamEnds {
            input: Some(OwnedFd::from(input)),
            outputs: vec![(Output::Stdout, OwnedFd::from(output))],
            terminal: None,
        };
        Self {
            process: RunningProcess::new(id, Pid::from_raw(PID), ends).unwrap(),
            line: Line::over(OwnedFd::from(its)),
            shim,
            stdin: Some(stdin),
            stdout: Some(stdout),
        }
    }

    /// Lets the process's streams move; returns what was told.
    fn carry(&mut self) -> Vec<FromInit> {
        let mut told = Vec::new();
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            self.process.read(&mut self.line);
            self.process.write(&mut self.line);
            self.line.flush().unwrap();
            let Ok(count) = self.shim.read(&mut buffer) else {
                return told;
            };
            let mut input = &buffer[..count];
            while let Some(frame) = decoder.next(&mut input) {
                told.push(FromInit::decode(&frame.unwrap().payload).unwrap());
            }
        }
    }

    fn give(&mut self, bytes: &[u8]) {
        self.process.follow(ToInit::Input {
            id: ID,
            bytes: bytes.to_vec(),
        });
    }
}

fn taken(bytes: u32) -> FromInit {
    FromInit::Taken { id: ID, bytes }
}

fn output(bytes: &[u8]) -> FromInit {
    FromInit::Output {
        id: ID,
        stream: Output::Stdout,
        bytes: bytes.to_vec(),
    }
}

#[test]
fn input_is_written_and_its_window_given_back() {
    let mut held = Held::new(ID);
    assert!(held.process.writable().is_none(), "nothing waits");
    held.give(b"to it");
    assert!(held.process.writable().is_some());
    assert_eq!(held.carry(), [taken(5)]);
    assert!(held.process.writable().is_none());
    held.process.follow(ToInit::InputEnd { id: ID });
    assert!(
        held.process.writable().is_some(),
        "the end is to be written"
    );
    assert!(held.carry().is_empty());
    let mut all = String::new();
    held.stdin.take().unwrap().read_to_string(&mut all).unwrap();
    assert_eq!(all, "to it");
}

#[test]
fn input_waits_for_a_process_that_does_not_read() {
    let mut held = Held::new(ID);
    let window = WINDOW as usize;
    held.give(&vec![7; window]);
    let told = held.carry();
    let [FromInit::Taken { bytes: first, .. }] = told[..] else {
        panic!("{told:?}");
    };
    assert!(first > 0 && first < WINDOW, "a pipe holds {first}");
    let mut stdin = held.stdin.take().unwrap();
    let mut total = 0;
    let mut back = first;
    let mut buffer = vec![0; 1 << 20];
    while total < window {
        total += stdin.read(&mut buffer).unwrap();
        for message in held.carry() {
            let FromInit::Taken { bytes, .. } = message else {
                panic!("{message:?}");
            };
            back += bytes;
        }
    }
    assert_eq!(back, WINDOW);
}

#[test]
fn input_of_a_process_that_reads_no_more_goes_nowhere() {
    let mut held = Held::new(ID);
    drop(held.stdin.take());
    held.give(b"lost");
    assert_eq!(held.carry(), [taken(4)]);
    assert!(held.process.writable().is_none());
    held.give(b"too");
    assert_eq!(held.carry(), [taken(3)]);
}

#[test]
fn output_goes_as_far_as_its_window() {
    let mut held = Held::new(ID);
    let mut stdout = held.stdout.take().unwrap();
    let mut got = 0;
    // A pipe holds less than a window.
    while got < WINDOW {
        stdout.write_all(&[7; 4096]).unwrap();
        for message in held.carry() {
            let FromInit::Output { bytes, .. } = message else {
                panic!("{message:?}");
            };
            assert!(bytes.len() <= MAX_CHUNK);
            got += u32::try_from(bytes.len()).unwrap();
        }
    }
    stdout.write_all(b"beyond").unwrap();
    assert_eq!(held.process.readable().count(), 0);
    assert!(held.carry().is_empty());
    let back = |stream| ToInit::Taken {
        id: ID,
        stream,
        bytes: 3,
    };
    held.process.follow(back(Output::Stderr));
    assert!(held.carry().is_empty(), "it has no such stream");
    held.process.follow(back(Output::Stdout));
    assert_eq!(held.process.readable().count(), 1);
    assert_eq!(held.carry(), [output(b"bey")]);
    // No more than a window is ever given back.
    held.process.follow(ToInit::Taken {
        id: ID,
        stream: Output::Stdout,
        bytes: u32::MAX,
    });
    assert_eq!(held.process.outputs[0].credit, WINDOW);
    assert_eq!(held.carry(), [output(b"ond")]);
}

#[test]
fn a_process_is_over_when_all_that_it_wrote_was_sent() {
    let mut held = Held::new(ProcessId::MAIN);
    let mut stdout = held.stdout.take().unwrap();
    stdout.write_all(b"last words").unwrap();
    held.process.exit = Some(EXIT);
    assert_eq!(held.carry().len(), 1);
    // Of the container's own process every writer is about to end.
    assert_eq!(held.process.is_over(), None);
    drop(stdout);
    assert!(held.carry().is_empty());
    assert_eq!(held.process.is_over(), Some(EXIT));
}

#[test]
fn a_descendant_that_keeps_a_stream_holds_no_other_process_up() {
    let mut held = Held::new(ID);
    held.stdout.as_mut().unwrap().write_all(b"mine").unwrap();
    assert_eq!(held.process.is_over(), None);
    held.process.exit = Some(EXIT);
    assert_eq!(held.carry(), [output(b"mine")]);
    // The stream is open still.
    assert_eq!(held.process.is_over(), Some(EXIT));
}

#[test]
fn a_terminal_that_no_process_has_open_is_read_again_while_its_process_lives() {
    let (master, slave, _) = crate::terminal::new().unwrap();
    let (shim, its) = UnixStream::pair().unwrap();
    shim.set_nonblocking(true).unwrap();
    let ends = StreamEnds {
        input: Some(master.try_clone().unwrap()),
        outputs: vec![(Output::Stdout, master.try_clone().unwrap())],
        terminal: Some(master),
    };
    let mut held = Held {
        process: RunningProcess::new(ID, Pid::from_raw(PID), ends).unwrap(),
        line: Line::over(OwnedFd::from(its)),
        shim,
        stdin: None,
        stdout: None,
    };
    held.process.follow(ToInit::Resize {
        id: ID,
        size: TerminalSize {
            rows: 9,
            columns: 9,
        },
    });
    File::from(slave).write_all(b"seen").unwrap();
    assert_eq!(held.carry(), [output(b"seen")]);
    // Its last descriptor was closed with that.
    assert!(held.process.deadline().is_some());
    assert_eq!(held.process.readable().count(), 0);
    assert_eq!(held.process.is_over(), None);
    // The end of a terminal's input is a key, not a message.
    held.process.follow(ToInit::InputEnd { id: ID });
    assert!(held.process.writable().is_none());
    held.process.follow(ToInit::Signal { id: ID, signal: 9 });
    held.process.exit = Some(EXIT);
    assert!(held.carry().is_empty());
    assert_eq!(held.process.is_over(), Some(EXIT));
}

//! What the shim starts in place of QEMU: it has QEMU's arguments, and its name says how the guest behaves.

use protocol::{
    frame::{self, Decoder},
    message::{Message, SessionNonce},
    process::{
        Exit, Fault, FromInit, InterfaceUsage, Listed, MAX_CHUNK, Output, Phase, ProcessId, ToInit,
        Usage, VERSION, WINDOW,
    },
};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    os::fd::FromRawFd,
    path::Path,
    process::ExitCode,
    sync::mpsc,
    thread,
};

/// The guest's init, at its line.
struct Init {
    line: File,
    nonce: SessionNonce,
    decoder: Decoder,
    heard: Vec<(SessionNonce, ToInit)>,
}

/// Behaves as the program's name says, up to the end of the line.
pub fn run(arguments: &[String]) -> ExitCode {
    let name = Path::new(&arguments[0]).file_name().unwrap_or_default();
    let behaviour = name.to_string_lossy().into_owned();
    let control = channel(arguments, "id=qmp");
    thread::spawn(move || speak_qmp(control));
    let console = channel(arguments, "id=serial0");
    if matches!(&*behaviour, "everything" | "console") {
        thread::spawn(move || flood_text(console));
        thread::spawn(|| flood_text(std::io::stderr()));
    } else {
        // The console stays open.
        std::mem::forget(console);
    }
    let mut init = Init {
        line: channel(arguments, "id=port1"),
        nonce: SessionNonce::NONE,
        decoder: Decoder::new(),
        heard: Vec::new(),
    };
    behave(&behaviour, &mut init);
    ExitCode::SUCCESS
}

/// The other end of a channel, by its number in QEMU's arguments.
fn channel(arguments: &[String], id: &str) -> File {
    let options = arguments
        .iter()
        .find(|argument| argument.split(',').any(|word| word == id));
    let number = options.and_then(|options| {
        let number = options.split(',').find_map(|word| word.strip_prefix("fd="));
        number?.parse().ok()
    });
    let number = number.unwrap_or_else(|| panic!("a descriptor for {id}: {arguments:?}"));
    // SAFETY: the shim gave this descriptor to this process, which uses it once.
    #[expect(unsafe_code, reason = "it is inherited by its number")]
    unsafe {
        File::from_raw_fd(number)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "QEMU ends at once when it is told to quit, whatever its other threads do"
)]
fn speak_qmp(control: File) {
    let mut writer = control.try_clone().unwrap();
    let _ = writer.write_all(b"{\"QMP\": {}}\n");
    for line in BufReader::new(control).lines() {
        let Ok(line) = line else { return };
        if line.contains("\"quit\"") {
            std::process::exit(0);
        }
        let _ = writer.write_all(b"{\"return\": {}}\n");
    }
}

fn flood_text(mut to: impl Write) {
    let line = format!("\x1b[31m{}\n", "warning ".repeat(60));
    while to.write_all(line.as_bytes()).is_ok() {}
}

impl Init {
    fn hears(&mut self) -> Option<ToInit> {
        let mut buffer = vec![0; 64 << 10];
        while self.heard.is_empty() {
            let count = self.line.read(&mut buffer).ok()?;
            let mut input = buffer.get(..count).filter(|read| !read.is_empty())?;
            while let Some(frame) = self.decoder.next(&mut input) {
                let frame = frame.ok()?;
                self.heard
                    .push((frame.nonce, ToInit::decode(&frame.payload).ok()?));
            }
        }
        let (nonce, message) = self.heard.remove(0);
        self.nonce = nonce;
        Some(message)
    }

    fn says(&mut self, message: &FromInit) -> Option<()> {
        let mut bytes = Vec::new();
        frame::encode(self.nonce, &message.encode().ok()?, &mut bytes).ok()?;
        self.line.write_all(&bytes).ok()
    }

    /// Says the same things over and over, as fast as the line takes them.
    fn floods(&mut self, messages: &[FromInit]) -> Option<()> {
        let mut bytes = Vec::new();
        while bytes.len() < 256 << 10 {
            for message in messages {
                frame::encode(self.nonce, &message.encode().ok()?, &mut bytes).ok()?;
            }
        }
        loop {
            self.line.write_all(&bytes).ok()?;
        }
    }

    /// Up to the start of the container's process, in good order.
    fn starts(&mut self) -> Option<()> {
        while !matches!(self.hears()?, ToInit::Hello { .. }) {}
        self.says(&FromInit::Ready { version: VERSION })?;
        while !matches!(self.hears()?, ToInit::Start(_)) {}
        self.says(&phase(5))?;
        self.says(&FromInit::Started {
            id: ProcessId::MAIN,
            pid: 1,
        })
    }
}

fn phase(uptime_us: u64) -> FromInit {
    FromInit::Phase {
        phase: Phase::Process,
        uptime_us,
    }
}

fn output(id: ProcessId, stream: Output, length: usize) -> FromInit {
    FromInit::Output {
        id,
        stream,
        bytes: vec![b'x'; length],
    }
}

fn not_started(id: u32) -> FromInit {
    FromInit::NotStarted {
        id: ProcessId(id),
        fault: Fault::Other,
        reason: "\x1b[2J".repeat(15_000),
    }
}

fn answers(request: u32) -> [FromInit; 2] {
    let process = Listed {
        pid: 1,
        parent: 0,
        uid: 0,
        cpu_ms: 0,
        started_ms: 0,
        command_line: String::new(),
        state: String::new(),
        memory_kib: [0; 2],
    };
    let interface = InterfaceUsage {
        name: String::new(),
        received: [0; 4],
        sent: [0; 4],
    };
    let usage = Usage {
        interfaces: vec![interface; 6_000],
        ..Usage::default()
    };
    let processes = vec![process; 7_000];
    [
        FromInit::Listed { request, processes },
        FromInit::Used { request, usage },
    ]
}

/// `None` at the end of the line.
fn behave(behaviour: &str, init: &mut Init) -> Option<()> {
    if behaviour == "early" {
        while !matches!(init.hears()?, ToInit::Hello { .. }) {}
        return init.floods(&[FromInit::Ready { version: VERSION }, phase(u64::MAX)]);
    }
    if behaviour == "other-release" {
        // At once, as an init that waits to be saved, and to the shim that says hello.
        let version = VERSION + 1;
        init.says(&FromInit::Ready { version })?;
        while !matches!(init.hears()?, ToInit::Hello { .. }) {}
        init.says(&FromInit::Ready { version })?;
        while init.hears().is_some() {}
        return None;
    }
    if behaviour == "refuses" {
        while !matches!(init.hears()?, ToInit::Hello { .. }) {}
        init.says(&FromInit::Ready { version: VERSION })?;
        return init.floods(&[not_started(0)]);
    }
    init.starts()?;
    let main = ProcessId::MAIN;
    let started = FromInit::Started { id: main, pid: 1 };
    let exit = Exit {
        code: 0,
        out_of_memory: false,
    };
    match behaviour {
        "phases" => init.floods(&[phase(u64::MAX), started]),
        "unknown" => init.floods(&[
            output(ProcessId(77), Output::Stdout, MAX_CHUNK),
            FromInit::Started {
                id: ProcessId(77),
                pid: 1,
            },
            FromInit::Exited {
                id: ProcessId(77),
                exit,
            },
            FromInit::Taken {
                id: main,
                bytes: u32::MAX,
            },
        ]),
        "answers" => init.floods(&answers(1)),
        "reasons" => init.floods(&[not_started(0), not_started(1)]),
        "garbage" => garbage(init),
        "spins" => loop {
            std::hint::spin_loop();
        },
        "everything" => init.floods(&[
            phase(u64::MAX),
            output(ProcessId(77), Output::Stderr, 1),
            not_started(3),
            answers(1)[0].clone(),
            FromInit::Taken { id: main, bytes: 1 },
            output(main, Output::Stdout, 0),
        ]),
        "beyond" => init.floods(&[output(main, Output::Stdout, MAX_CHUNK)]),
        "writes" => writes(init),
        "descriptors" => descriptors(init),
        "windows" | "exec-beyond" => execs(init, behaviour == "exec-beyond"),
        "obedient" => obeys(init, started),
        "fails" => {
            init.says(&started)?;
            init.says(&FromInit::Exited {
                id: main,
                exit: Exit { code: 3, ..exit },
            })?;
            while init.hears().is_some() {}
            None
        }
        // Neither reads nor writes any more.
        "silent" => loop {
            thread::park();
        },
        _ => {
            while init.hears().is_some() {}
            None
        }
    }
}

/// Ends its process by the first signal, as most processes do.
fn obeys(init: &mut Init, started: FromInit) -> Option<()> {
    init.says(&started)?;
    loop {
        let ToInit::Signal { id, signal } = init.hears()? else {
            continue;
        };
        let exit = Exit {
            code: 128 + signal,
            out_of_memory: false,
        };
        init.says(&FromInit::Exited { id, exit })?;
    }
}

/// Bytes that are no frames: with delimiters, and without.
fn garbage(init: &mut Init) -> Option<()> {
    let mut state = 1_u32;
    let noise: Vec<u8> = (0..64 << 10)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .collect();
    let long = vec![0xff; 1 << 20];
    loop {
        init.line.write_all(&noise).ok()?;
        init.line.write_all(&long).ok()?;
    }
}

/// As much output as the windows let through, in small pieces; what the shim says is heard at the same time, or each
/// would wait for the other.
fn writes(init: &mut Init) -> Option<()> {
    let mut ears = Init {
        line: init.line.try_clone().ok()?,
        nonce: init.nonce,
        decoder: std::mem::replace(&mut init.decoder, Decoder::new()),
        heard: std::mem::take(&mut init.heard),
    };
    let (give, given) = mpsc::channel();
    thread::spawn(move || {
        while let Some(message) = ears.hears() {
            if let ToInit::Taken { bytes, .. } = message
                && give.send(bytes).is_err()
            {
                return;
            }
        }
    });
    let mut left = WINDOW;
    loop {
        while left < 100 {
            left += given.recv().ok()?;
        }
        left += given.try_iter().sum::<u32>();
        left -= 100;
        init.says(&output(ProcessId::MAIN, Output::Stdout, 100))?;
    }
}

/// Fills both windows of each process that is to run beside the first one; or more than that.
fn execs(init: &mut Init, beyond: bool) -> Option<()> {
    loop {
        let ToInit::Exec { id, .. } = init.hears()? else {
            continue;
        };
        init.says(&FromInit::Started { id, pid: 2 })?;
        let piece = 1 << 10;
        for _ in 0..usize::try_from(WINDOW).unwrap_or_default() / piece {
            init.says(&output(id, Output::Stdout, piece))?;
            init.says(&output(id, Output::Stderr, piece))?;
        }
        if beyond {
            init.floods(&[output(id, Output::Stdout, 1)])?;
        }
    }
}

/// Writes what it has open, one a line.
fn descriptors(init: &mut Init) -> Option<()> {
    let open = fs::read_dir("/proc/self/fd").ok()?.flatten();
    let names: Vec<String> = open
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.display().to_string())
        .collect();
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let score = fs::read_to_string("/proc/self/oom_score_adj").ok()?;
    init.says(&FromInit::Output {
        id: ProcessId::MAIN,
        stream: Output::Stdout,
        bytes: format!("{}\n{limits}oom_score_adj {score}", names.join("\n")).into_bytes(),
    })?;
    while init.hears().is_some() {}
    None
}

//! A message of each kind in version 1.

use crate::wire::v1::{
    Exit, Failure, InterfaceUsage, Listed, Nic, Outcome, Output, Phase, Position, Process,
    ProcessId, Reply, Request, Stage, TerminalSize, Usage,
};

fn nic() -> Nic {
    Nic {
        id: "n1a2b".to_owned(),
        mac: [2, 0x42, 0xac, 0x11, 0, 9],
        tap: "vt-1a2b".to_owned(),
    }
}

const POSITION: Position = Position {
    file: 3,
    offset: 70_000,
};

const SIZE: TerminalSize = TerminalSize {
    rows: 24,
    columns: 300,
};

pub fn process() -> Process {
    Process {
        args: vec!["sh".to_owned(), "-c".to_owned()],
        environment: vec!["A=b".to_owned()],
        dir: "/srv".to_owned(),
        user: "web:www".to_owned(),
        groups: vec!["audio".to_owned()],
        terminal: Some(SIZE),
        input: true,
        capabilities: vec![0, 1, 31],
        no_new_privileges: true,
        limits: vec![(7, 1_024, 4_096)],
        oom_score: -500,
    }
}

fn bare() -> Process {
    Process {
        args: Vec::new(),
        environment: Vec::new(),
        dir: String::new(),
        user: String::new(),
        groups: Vec::new(),
        terminal: None,
        input: false,
        capabilities: Vec::new(),
        no_new_privileges: false,
        limits: Vec::new(),
        oom_score: 0,
    }
}

pub fn requests() -> Vec<(&'static str, Request)> {
    let attach = |from| Request::Attach {
        from,
        input: true,
        ends_input: false,
    };
    vec![
        ("watch", Request::Watch),
        ("attach", attach(Some(POSITION))),
        ("attach-now", attach(None)),
        ("exec", Request::Exec(Box::new(process()))),
        ("exec-bare", Request::Exec(Box::new(bare()))),
        ("input", Request::Input(vec![1, 2, 3])),
        ("signal", Request::Signal(ProcessId(300), 15)),
        ("resize", Request::Resize(ProcessId(0), SIZE)),
        ("list", Request::List),
        ("usage", Request::Usage),
        ("plug", Request::Plug(nic())),
        ("unplug", Request::Unplug("n1a2b".to_owned())),
        ("reattach", Request::Reattach(nic())),
        ("kill", Request::Kill),
    ]
}

fn phase(name: &str, uptime_us: Option<u64>) -> Phase {
    Phase {
        name: name.to_owned(),
        at_us: 1_700_000_000_000_000,
        uptime_us,
    }
}

pub fn outcome() -> Outcome {
    Outcome {
        code: 137,
        out_of_memory: true,
        started_ms: 1_700_000_000_000,
        finished_ms: 1_700_000_000_001,
        log_from: POSITION,
        failure: Some(Failure {
            code: "vm-died".to_owned(),
            text: "QEMU ended".to_owned(),
        }),
        phases: vec![phase("launched", None), phase("init", Some(5))],
    }
}

pub fn replies() -> Vec<(&'static str, Reply)> {
    let stage = Stage {
        log_from: POSITION,
        phases: vec![phase("network", Some(900_000))],
        started_ms: Some(1_700_000_000_000),
        ended: Some(outcome()),
    };
    let early = Stage {
        log_from: Position { file: 0, offset: 0 },
        phases: Vec::new(),
        started_ms: None,
        ended: None,
    };
    let well = Outcome {
        failure: None,
        phases: Vec::new(),
        out_of_memory: false,
        ..outcome()
    };
    let listed = Listed {
        pid: 7,
        parent: 1,
        uid: 65_534,
        cpu_ms: 12,
        started_ms: 345,
        command_line: "sleep 1".to_owned(),
    };
    let interface = InterfaceUsage {
        name: "eth0".to_owned(),
        received: [1, 2, 3, 4],
        sent: [5, 6, 7, 800],
    };
    let usage = Usage {
        cpu_ns: [1, 2, 300],
        memory: [4, 5],
        memory_limit: 6_000_000,
        tasks: 7,
        disk: [8, 9],
        cpus: 2,
        interfaces: vec![interface],
    };
    let exit = Exit {
        code: 3,
        out_of_memory: false,
    };
    let refused = Reply::Refused {
        code: "not-found".to_owned(),
        reason: "no such program".to_owned(),
    };
    vec![
        ("stage", Reply::Stage(stage.clone())),
        ("stage-early", Reply::Stage(early)),
        (
            "stage-well",
            Reply::Stage(Stage {
                ended: Some(well),
                ..stage
            }),
        ),
        ("output", Reply::Output(Output::Stdout, vec![0, 255])),
        ("output-error", Reply::Output(Output::Stderr, Vec::new())),
        ("started", Reply::Started(ProcessId(5), 40)),
        ("exited", Reply::Exited(exit)),
        ("listed", Reply::Listed(vec![listed])),
        ("used", Reply::Used(usage)),
        ("done", Reply::Done),
        ("refused", refused),
    ]
}

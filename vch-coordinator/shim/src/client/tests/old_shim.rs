//! A client of today beside a shim of release 0.1.0: a server that reads and writes version 1 alone, in the way in which
//! that release does.

use crate::{
    client::{Client, ClientError, StreamItem},
    log,
    sockets::SHIM,
    wire::{
        receive, send,
        v1::{
            Exit, Listed, Nic, Outcome, Output, Phase, Position, Process, ProcessId, Reply,
            Request, Stage, TerminalSize, Usage,
        },
    },
};
use protocol::process;
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    net::{UnixListener, UnixStream},
    task::JoinSet,
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

/// Requests that have come, in order.
type Came = Arc<Mutex<Vec<Request>>>;

/// Runs with a client of such a shim; returns what the shim was asked.
async fn with_old_shim(asking: impl AsyncFnOnce(Client)) -> Vec<Request> {
    let dir = TempDir::new().unwrap();
    let listener = UnixListener::bind(dir.path().join(SHIM)).unwrap();
    let came = Came::default();
    let mut serving = JoinSet::new();
    serving.spawn(serve(listener, Arc::clone(&came)));
    timeout(SOON, asking(Client::at(dir.path()))).await.unwrap();
    serving.shutdown().await;
    Arc::into_inner(came).unwrap().into_inner().unwrap()
}

async fn serve(listener: UnixListener, came: Came) {
    let mut clients = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let came = Arc::clone(&came);
        // A client that says what it does not know is closed.
        clients.spawn(async move { answer(stream, &came).await });
    }
}

async fn answer(mut stream: UnixStream, came: &Came) -> io::Result<()> {
    let Some(request) = receive(&mut stream).await? else {
        return Ok(());
    };
    came.lock().unwrap().push(request);
    let request = came.lock().unwrap().last().cloned();
    let replies = match request.unwrap() {
        Request::Watch => vec![
            Reply::Stage(stage(None)),
            Reply::Stage(stage(Some(outcome()))),
        ],
        Request::Attach { .. } => return attached(stream).await,
        Request::Exec(process) if process.args == ["missing"] => vec![Reply::Refused {
            code: "not-found".to_owned(),
            reason: "no such program".to_owned(),
        }],
        Request::Exec(_) => return echo(stream).await,
        Request::List => vec![Reply::Listed(vec![listed()])],
        Request::Usage => vec![Reply::Used(usage())],
        Request::Signal(..)
        | Request::Resize(..)
        | Request::Plug(_)
        | Request::Unplug(_)
        | Request::Reattach(_)
        | Request::Kill => vec![Reply::Done],
        Request::Input(_) => Vec::new(),
    };
    for reply in replies {
        send(&mut stream, &reply).await?;
    }
    Ok(())
}

/// Plays the container's own process, which complains about its first input and ends.
async fn attached(mut stream: UnixStream) -> io::Result<()> {
    send(&mut stream, &Reply::Done).await?;
    if let Some(Request::Input(bytes)) = receive(&mut stream).await? {
        send(&mut stream, &Reply::Output(Output::Stderr, bytes)).await?;
    }
    send(&mut stream, &Reply::Done).await
}

/// Plays a process that writes what it reads, up to the end of its input.
async fn echo(mut stream: UnixStream) -> io::Result<()> {
    send(&mut stream, &Reply::Started(ProcessId(5), 40)).await?;
    while let Some(Request::Input(bytes)) = receive(&mut stream).await? {
        if bytes.is_empty() {
            break;
        }
        send(&mut stream, &Reply::Output(Output::Stdout, bytes)).await?;
    }
    let exit = Exit {
        code: 3,
        out_of_memory: false,
    };
    send(&mut stream, &Reply::Exited(exit)).await
}

fn stage(ended: Option<Outcome>) -> Stage {
    Stage {
        log_from: Position { file: 1, offset: 2 },
        phases: vec![Phase {
            name: "launched".to_owned(),
            at_us: 3,
            uptime_us: None,
        }],
        started_ms: Some(4),
        ended,
    }
}

fn outcome() -> Outcome {
    Outcome {
        code: 7,
        out_of_memory: false,
        started_ms: 4,
        finished_ms: 5,
        log_from: Position { file: 1, offset: 2 },
        failure: None,
        phases: Vec::new(),
    }
}

fn listed() -> Listed {
    Listed {
        pid: 1,
        parent: 0,
        uid: 1_000,
        cpu_ms: 2,
        started_ms: 3,
        command_line: "sleep 1".to_owned(),
    }
}

fn usage() -> Usage {
    Usage {
        cpu_ns: [1, 2, 3],
        memory: [4, 5],
        memory_limit: 6,
        tasks: 7,
        disk: [8, 9],
        cpus: 2,
        interfaces: Vec::new(),
    }
}

fn process(args: &[&str]) -> process::Process {
    process::Process {
        args: args.iter().map(|&word| word.to_owned()).collect(),
        input: true,
        ..process::Process::default()
    }
}

#[tokio::test]
async fn its_vm_s_stages_are_watched_up_to_the_end() {
    let asked = with_old_shim(async |client| {
        let mut stages = client.watch().await.unwrap();
        let first = stages.next().await.unwrap();
        assert_eq!((first.started_ms, &first.ended), (Some(4), &None));
        assert_eq!(first.phases[0].name, "launched");
        let ended = stages.next().await.unwrap().ended.unwrap();
        assert_eq!((ended.code, ended.finished_ms), (7, 5));
        let gone = stages.next().await;
        assert!(matches!(gone, Err(ClientError::Gone(_))), "{gone:?}");
    });
    assert_eq!(asked.await, [Request::Watch]);
}

#[tokio::test]
async fn its_container_is_attached_to() {
    let from = log::Position { file: 2, offset: 9 };
    let asked = with_old_shim(async |client| {
        let mut streams = client.attach(Some(from), true, false).await.unwrap();
        streams.writer.write(b"words").await.unwrap();
        let item = streams.reader.next().await.unwrap();
        let words = StreamItem::Output(process::Output::Stderr, b"words".to_vec());
        assert_eq!(item, words);
        let end = streams.reader.next().await.unwrap();
        assert_eq!(end, StreamItem::Ended(None));
    });
    let attach = Request::Attach {
        from: Some(Position { file: 2, offset: 9 }),
        input: true,
        ends_input: false,
    };
    assert_eq!(asked.await, [attach]);
}

#[tokio::test]
async fn a_process_runs_beside_its_container_with_input_and_end() {
    let asked = with_old_shim(async |client| {
        let mut running = client.exec(process(&["cat"])).await.unwrap();
        assert_eq!((running.id, running.pid), (process::ProcessId(5), 40));
        running.streams.writer.write(b"to and fro").await.unwrap();
        let item = running.streams.reader.next().await.unwrap();
        let back = StreamItem::Output(process::Output::Stdout, b"to and fro".to_vec());
        assert_eq!(item, back);
        running.streams.writer.write(b"").await.unwrap();
        let end = running.streams.reader.next().await.unwrap();
        let exit = process::Exit {
            code: 3,
            out_of_memory: false,
        };
        assert_eq!(end, StreamItem::Ended(Some(exit)));
        let missing = client.exec(process(&["missing"])).await.unwrap_err();
        assert!(
            matches!(&missing, ClientError::Refused { code, .. } if code == "not-found"),
            "{missing:?}"
        );
    })
    .await;
    let Request::Exec(first) = &asked[0] else {
        panic!("{asked:?}");
    };
    let Process { args, input, .. } = &**first;
    assert_eq!((&args[..], *input), (&["cat".to_owned()][..], true));
}

#[tokio::test]
async fn it_is_asked_all_that_it_knows() {
    let nic = crate::Nic {
        id: "n1".to_owned(),
        mac: [2, 0, 0, 0, 0, 1],
        tap: "vt-1".to_owned(),
    };
    let frozen: Nic = nic.clone().into();
    let asked = with_old_shim(async |client| {
        let id = process::ProcessId::MAIN;
        client.signal(id, 15).await.unwrap();
        let size = process::TerminalSize {
            rows: 24,
            columns: 80,
        };
        client.resize(id, size).await.unwrap();
        let listed = client.list().await.unwrap();
        assert_eq!(listed[0].command_line, "sleep 1");
        assert_eq!(listed[0].state, "?", "it tells of no state");
        assert_eq!(client.usage().await.unwrap().disk, [8, 9]);
        client.plug(nic.clone()).await.unwrap();
        client.unplug("n1").await.unwrap();
        client.reattach(nic).await.unwrap();
        client.kill().await.unwrap();
    });
    let size = TerminalSize {
        rows: 24,
        columns: 80,
    };
    let expected = [
        Request::Signal(ProcessId(0), 15),
        Request::Resize(ProcessId(0), size),
        Request::List,
        Request::Usage,
        Request::Plug(frozen.clone()),
        Request::Unplug("n1".to_owned()),
        Request::Reattach(frozen),
        Request::Kill,
    ];
    assert_eq!(asked.await, expected);
}

#[tokio::test]
async fn what_it_does_not_know_is_refused_with_a_reason_and_not_asked() {
    let asked = with_old_shim(async |client| {
        let privileged = process::Process {
            privileged: true,
            ..process(&["sh"])
        };
        let unfiltered = process::Process {
            unfiltered: true,
            ..process(&["sh"])
        };
        let errors = [
            client.exec(privileged).await.unwrap_err(),
            client.exec(unfiltered).await.unwrap_err(),
            client
                .update(process::CgroupLimits::default())
                .await
                .unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(&error, ClientError::Refused { code, .. } if code == "older-shim"),
                "{error:?}"
            );
        }
    });
    assert_eq!(asked.await, []);
}

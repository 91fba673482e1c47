//! Who asks at `shim.sock`: one request a connection.

use crate::{
    guest::{ExecNews, Guest},
    log::{Position, Reader},
    nics::{NicError, Nics},
    stage::Stage,
    wire::{Reply, Request, receive, send},
};
use protocol::process::{Fault, FromInit, Process, ProcessId, ToInit};
use std::{io, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, Notify, mpsc, watch},
};

/// Before the next try where no descriptor is free.
const EXHAUSTED: Duration = Duration::from_secs(1);

/// What answers.
pub struct Shared {
    pub folder: PathBuf,
    pub guest: Guest,
    pub nics: Mutex<Option<Nics>>,
    pub stage: watch::Sender<Stage>,
    pub kill: Notify,
}

/// Answers whoever connects, until it is dropped.
pub async fn serve(listener: UnixListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that goes away is no error.
                    let _ = answer(stream, &shared).await;
                });
            }
            // No descriptor is free: one will be, when a client goes.
            Err(_) => tokio::time::sleep(EXHAUSTED).await,
        }
    }
}

async fn answer(stream: UnixStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let Some(request) = receive(&mut reader).await? else {
        return Ok(());
    };
    let guest = &shared.guest;
    let reply = match request {
        Request::Watch => return watch(&mut writer, shared).await,
        Request::Attach {
            from,
            input,
            ends_input,
        } => {
            if input {
                let main = ProcessId::MAIN;
                tokio::spawn(feed(reader, guest.clone(), main, ends_input));
            }
            return attach(&mut writer, shared, from).await;
        }
        Request::Exec(process) => return exec(reader, writer, shared, process).await,
        Request::Signal(id, signal) => {
            guest.tell(ToInit::Signal { id, signal }).await;
            Reply::Done
        }
        Request::Resize(id, size) => {
            guest.tell(ToInit::Resize { id, size }).await;
            Reply::Done
        }
        Request::List => asked(guest.ask(|request| ToInit::List { request }).await),
        Request::Usage => asked(guest.ask(|request| ToInit::Usage { request }).await),
        Request::Update(cgroup) => {
            let update = |request| ToInit::Update { request, cgroup };
            asked(guest.ask(update).await)
        }
        Request::Plug(nic) => changed(match &mut *shared.nics.lock().await {
            Some(nics) => nics.plug(&nic).await,
            None => Ok(()),
        }),
        Request::Unplug(id) => changed(match &mut *shared.nics.lock().await {
            Some(nics) => nics.unplug(&id).await,
            None => Ok(()),
        }),
        Request::Replug(nic) => changed(match &mut *shared.nics.lock().await {
            Some(nics) => nics.replug(&nic),
            None => Ok(()),
        }),
        Request::Kill => {
            shared.kill.notify_one();
            Reply::Done
        }
        Request::Input(_) => refused("no-process", "input belongs to an attached client"),
    };
    send(&mut writer, &reply).await
}

fn refused(code: &str, reason: &str) -> Reply {
    Reply::Refused {
        code: code.to_owned(),
        reason: reason.to_owned(),
    }
}

fn changed(done: Result<(), NicError>) -> Reply {
    match done {
        Ok(()) => Reply::Done,
        Err(error) => refused(error.code(), &with_causes(&error)),
    }
}

fn asked(answer: Option<FromInit>) -> Reply {
    match answer {
        Some(FromInit::Listed { processes, .. }) => Reply::Listed(processes),
        Some(FromInit::Used { usage, .. }) => Reply::Used(usage),
        Some(FromInit::Updated { refused, .. }) => Reply::Updated(refused),
        _ => refused("vm-ended", "the VM has ended"),
    }
}

/// An error and what lies behind it, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn watch(to: &mut OwnedWriteHalf, shared: &Shared) -> io::Result<()> {
    let mut stages = shared.stage.subscribe();
    loop {
        let stage = stages.borrow_and_update().clone();
        let ended = stage.ended.is_some();
        send(to, &Reply::Stage(stage)).await?;
        if ended || stages.changed().await.is_err() {
            return Ok(());
        }
    }
}

/// Everybody reads from the log, at a pace of his own.
async fn attach(
    to: &mut OwnedWriteHalf,
    shared: &Shared,
    from: Option<Position>,
) -> io::Result<()> {
    let mut written = shared.guest.written();
    let mut stage = shared.stage.subscribe();
    let from = from.unwrap_or_else(|| *written.borrow());
    let mut reader = Reader::open(&shared.folder, from);
    // Says that nothing of what comes from now on is missed.
    send(to, &Reply::Done).await?;
    loop {
        // Looked at first: what was written before the end is read after it.
        let ended = stage.borrow_and_update().ended.is_some();
        written.mark_unchanged();
        while let Some(record) = reader.read()? {
            send(to, &Reply::Output(record.stream, record.bytes)).await?;
        }
        if ended {
            return send(to, &Reply::Done).await;
        }
        tokio::select! {
            // The sender goes when the line is closed; the stage tells of the end.
            Ok(()) = written.changed() => {}
            changed = stage.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// Carries a client's input to a process.
async fn feed(mut from: OwnedReadHalf, guest: Guest, id: ProcessId, ends_input: bool) {
    while let Ok(Some(Request::Input(bytes))) = receive(&mut from).await {
        if bytes.is_empty() {
            break;
        }
        guest.input(id, &bytes).await;
    }
    if ends_input {
        guest.tell(ToInit::InputEnd { id }).await;
    }
}

async fn exec(
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    process: Box<Process>,
) -> io::Result<()> {
    let guest = &shared.guest;
    let input = process.input;
    let Some((id, mut news)) = guest.exec(process).await else {
        return send(
            &mut to,
            &refused("too-many", "too many processes run: end some"),
        )
        .await;
    };
    if input {
        tokio::spawn(feed(from, guest.clone(), id, true));
    }
    let told = tell(&mut to, guest, id, &mut news).await;
    // Its client has gone: it runs on, and what it writes goes nowhere.
    while let Some(one) = news.recv().await {
        if let ExecNews::Output(stream, bytes) = one {
            guest.taken(id, stream, bytes.len()).await;
        }
    }
    told
}

async fn tell(
    to: &mut OwnedWriteHalf,
    guest: &Guest,
    id: ProcessId,
    news: &mut mpsc::UnboundedReceiver<ExecNews>,
) -> io::Result<()> {
    while let Some(one) = news.recv().await {
        match one {
            ExecNews::Started(pid) => send(to, &Reply::Started(id, pid)).await?,
            ExecNews::Output(stream, bytes) => {
                let count = bytes.len();
                let sent = send(to, &Reply::Output(stream, bytes)).await;
                guest.taken(id, stream, count).await;
                sent?;
            }
            ExecNews::Exited(exit) => return send(to, &Reply::Exited(exit)).await,
            ExecNews::NotStarted(fault, reason) => {
                return send(to, &refused(fault_code(fault), &reason)).await;
            }
        }
    }
    send(to, &refused("vm-ended", "the VM has ended")).await
}

/// A fault's code, which stays the same for ever.
pub fn fault_code(fault: Fault) -> &'static str {
    match fault {
        Fault::NotFound => "not-found",
        Fault::NotExecutable => "not-executable",
        Fault::User => "user",
        Fault::RootFileSystem => "root-file-system",
        Fault::Network => "network",
        Fault::Other => "process",
    }
}

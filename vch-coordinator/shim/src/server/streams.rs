//! Answers the requests that last as long as their client is connected: the stages of the VM's run,
//! and the streams of processes.

use super::{Shared, fault_code, gone, refused};
use crate::{
    guest::{ExecEvent, Guest, Seated},
    log::{Position, Reader},
    wire::{Incoming, Outgoing, Reply, Request},
};
use protocol::process::{Output, Process, ProcessId, ToInit};
use std::{convert::Infallible, io};

/// Sends the VM's present stage to a client, and each later one, until the VM has ended or the
/// client has disconnected.
///
/// # Errors
/// Returns an error if the client's connection breaks.
pub async fn watch(mut to: Outgoing<Reply>, shared: &Shared) -> io::Result<()> {
    let mut stages = shared.stage.subscribe();
    loop {
        let stage = stages.borrow_and_update().clone();
        let ended = stage.ended.is_some();
        to.send(Reply::Stage(stage)).await?;
        if ended {
            return Ok(());
        }
        tokio::select! {
            changed = stages.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = gone(to.stream()) => return Ok(()),
        }
    }
}

/// Sends the container's output to a client, read from the log at the client's own pace. `from` is
/// the position to begin at; `None` for new output. `input` is the connection that the client's
/// input arrives on, with a flag that says whether the process's standard input ends with it.
///
/// # Errors
/// Returns an error if the client's connection breaks or the log can't be read.
pub async fn attach(
    mut input: Option<(Incoming<Request>, bool)>,
    mut to: Outgoing<Reply>,
    shared: &Shared,
    from: Option<Position>,
) -> io::Result<()> {
    let guest = &shared.guest;
    let main = ProcessId::MAIN;
    let feeding = async {
        match &mut input {
            Some((reader, ends)) => feed(reader, guest, main, *ends).await,
            None => std::future::pending().await,
        }
    };
    let told = tokio::select! {
        told = tell_of_log(&mut to, shared, from) => told,
        fed = feeding => match fed {},
    };
    // The client has gone, or the process has ended: input that it did not end itself ends now.
    drop(to);
    if let Some((reader, true)) = input.take() {
        drop(reader);
        guest.tell_in_time(ToInit::InputEnd { id: main }).await;
    }
    told
}

async fn tell_of_log(
    to: &mut Outgoing<Reply>,
    shared: &Shared,
    from: Option<Position>,
) -> io::Result<()> {
    let mut written = shared.guest.written();
    let mut stage = shared.stage.subscribe();
    let from = from.unwrap_or_else(|| *written.borrow());
    let mut reader = Reader::open(&shared.dir, from);
    // Says that nothing of what comes from now on is missed.
    to.send(Reply::Done).await?;
    loop {
        // Looked at first: what was written before the end is read after it.
        let ended = stage.borrow_and_update().ended.is_some();
        written.mark_unchanged();
        while let Some(record) = reader.read()? {
            to.send(Reply::Output(record.stream, record.bytes)).await?;
        }
        if ended {
            return to.send(Reply::Done).await;
        }
        tokio::select! {
            // The sender goes when the line is closed; the stage tells of the end.
            Ok(()) = written.changed() => {}
            changed = stage.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
            }
            () = gone(to.stream()) => return Ok(()),
        }
    }
}

/// Carries a client's input to a process, up to the client's end, or the process's; then waits to be dropped.
async fn feed(
    from: &mut Incoming<Request>,
    guest: &Guest,
    id: ProcessId,
    ends_input: bool,
) -> Infallible {
    while let Ok(Some(Request::Input(bytes))) = from.next().await {
        if bytes.is_empty() || !guest.input(id, &bytes).await {
            break;
        }
    }
    if ends_input {
        guest.tell(ToInit::InputEnd { id }).await;
    }
    std::future::pending().await
}

/// Runs a further process in the container, and passes its input and output between guest and
/// client. If the client disconnects, the process runs on, and its output is discarded.
///
/// # Errors
/// Returns an error if the client's connection breaks.
pub async fn exec(
    mut from: Incoming<Request>,
    mut to: Outgoing<Reply>,
    shared: &Shared,
    process: Box<Process>,
) -> io::Result<()> {
    let guest = &shared.guest;
    let input = process.input;
    let Some(seated) = guest.exec(process).await else {
        let refusal = if guest.has_ended() {
            refused("vm-ended", "the VM has ended")
        } else {
            refused("too-many", "too many processes run: end some")
        };
        return to.send(refusal).await;
    };
    let feeding = async {
        match input {
            true => feed(&mut from, guest, seated.id, true).await,
            false => std::future::pending().await,
        }
    };
    let told = tokio::select! {
        told = tell(&mut to, guest, &seated) => told,
        fed = feeding => match fed {},
    };
    // Its client has gone: it runs on, without input, and what it writes goes nowhere.
    drop((from, to));
    let draining = async {
        while let Some(one) = seated.events.next().await {
            given_up(guest, &seated, one).await;
        }
    };
    if input {
        tokio::join!(
            guest.tell_in_time(ToInit::InputEnd { id: seated.id }),
            draining
        );
    } else {
        draining.await;
    }
    told
}

/// Tells a client of its process, up to the process's end; an error where the client has gone.
async fn tell(to: &mut Outgoing<Reply>, guest: &Guest, seated: &Seated) -> io::Result<()> {
    loop {
        let one = tokio::select! {
            one = seated.events.next() => one,
            () = gone(to.stream()) => return Ok(()),
        };
        match one {
            Some(ExecEvent::Started(pid)) => to.send(Reply::Started(seated.id, pid)).await?,
            Some(ExecEvent::Output(stream, bytes)) => {
                let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let sent = to.send(Reply::Output(stream, bytes)).await;
                guest.taken(seated, stream, count).await;
                sent?;
            }
            Some(lost @ ExecEvent::Lost(_)) => {
                given_up(guest, seated, lost).await;
                let reason =
                    "output was given up: the client reads too slowly, beside others that do";
                return to.send(refused("slow-client", reason)).await;
            }
            Some(ExecEvent::Exited(exit)) => return to.send(Reply::Exited(exit)).await,
            Some(ExecEvent::NotStarted(fault, reason)) => {
                return to.send(refused(fault_code(fault), &reason)).await;
            }
            None => return to.send(refused("vm-ended", "the VM has ended")).await,
        }
    }
}

/// Acknowledges output without a reader all the same, so that its process goes on.
async fn given_up(guest: &Guest, seated: &Seated, one: ExecEvent) {
    let bytes = match one {
        ExecEvent::Output(stream, bytes) => {
            let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            return guest.taken(seated, stream, count).await;
        }
        ExecEvent::Lost(bytes) => bytes,
        ExecEvent::Started(_) | ExecEvent::NotStarted(..) | ExecEvent::Exited(_) => return,
    };
    for (stream, count) in [Output::Stdout, Output::Stderr].into_iter().zip(bytes) {
        if count > 0 {
            guest.taken(seated, stream, count).await;
        }
    }
}

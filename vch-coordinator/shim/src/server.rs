//! Who asks at `shim.sock`: one request a connection.
//!
//! A client that has gone is seen to have gone, whatever the guest does: nothing is held for it.

mod streams;

use crate::{
    guest::{ANSWER, Guest, Unanswered},
    nics::{NicError, Nics},
    stage::Stage,
    wire::{self, Reply, Request},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use protocol::process::{Fault, FromInit, ToInit};
use std::{io, os::fd::AsFd, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Mutex, Notify, watch},
};

/// Before the next try where no descriptor is free.
const EXHAUSTED: Duration = Duration::from_secs(1);
/// Between two looks whether a client is still there: its input may be at its end, so that reading does not tell.
const LOOK: Duration = Duration::from_secs(2);

/// What answers.
pub struct Shared {
    pub dir: PathBuf,
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
    let Some((mut reader, mut writer)) = wire::answer(stream).await? else {
        return Ok(());
    };
    let Some(request) = reader.next().await? else {
        return Ok(());
    };
    let reply = match request {
        Request::Watch => return streams::watch(writer, shared).await,
        Request::Attach {
            from,
            input,
            ends_input,
        } => {
            let input = input.then_some((reader, ends_input));
            return streams::attach(input, writer, shared, from).await;
        }
        Request::Exec(process) => return streams::exec(reader, writer, shared, process).await,
        Request::Plug(nic) => changed(match &mut *shared.nics.lock().await {
            Some(nics) => nics.plug(&nic).await,
            None => Ok(()),
        }),
        Request::Unplug(id) => changed(match &mut *shared.nics.lock().await {
            Some(nics) => nics.unplug(&id).await,
            None => Ok(()),
        }),
        Request::Reattach(nic) => changed(match &mut *shared.nics.lock().await {
            Some(nics) => nics.reattach(&nic),
            None => Ok(()),
        }),
        Request::Kill => {
            shared.kill.notify_one();
            Reply::Done
        }
        Request::Input(_) => refused("no-process", "input belongs to an attached client"),
        question => {
            tokio::select! {
                reply = of_the_guest(question, &shared.guest) => reply,
                () = gone(writer.stream()) => return Ok(()),
            }
        }
    };
    writer.send(reply).await
}

/// What the guest's init is to do, or to answer, at once.
async fn of_the_guest(request: Request, guest: &Guest) -> Reply {
    match request {
        Request::Signal(id, signal) => told(guest, ToInit::Signal { id, signal }).await,
        Request::Resize(id, size) => told(guest, ToInit::Resize { id, size }).await,
        Request::List => asked(guest.ask(|request| ToInit::List { request }).await),
        Request::Usage => asked(guest.ask(|request| ToInit::Usage { request }).await),
        Request::Update(cgroup) => {
            let update = |request| ToInit::Update { request, cgroup };
            asked(guest.ask(update).await)
        }
        _ => refused("no-question", "it is no question to the guest's init"),
    }
}

async fn told(guest: &Guest, message: ToInit) -> Reply {
    if guest.tell_in_time(message).await {
        Reply::Done
    } else {
        late()
    }
}

/// Waits until a client has closed its connection, both ways.
async fn gone(to: &OwnedWriteHalf) {
    loop {
        let mut descriptors = [PollFd::new(to.as_ref().as_fd(), PollFlags::empty())];
        let looked = poll(&mut descriptors, PollTimeout::ZERO);
        let seen = descriptors[0].revents().unwrap_or(PollFlags::empty());
        if looked.is_ok() && seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
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

fn asked(answer: Result<FromInit, Unanswered>) -> Reply {
    match answer {
        Ok(FromInit::Listed { processes, .. }) => Reply::Listed(processes),
        Ok(FromInit::Used { usage, .. }) => Reply::Used(usage),
        Ok(FromInit::Updated { refused, .. }) => Reply::Updated(refused),
        Ok(_) => refused(
            "guest",
            "the VM's init answers something else than it was asked",
        ),
        Err(Unanswered::Timeout) => late(),
        Err(Unanswered::Ended) => refused("vm-ended", "the VM has ended"),
    }
}

fn late() -> Reply {
    let reason =
        format!("the VM's init has not answered within {ANSWER:?}: it is stuck, or overloaded");
    refused("guest-late", &reason)
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

#[cfg(test)]
mod tests;

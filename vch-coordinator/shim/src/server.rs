//! The shim's server at the Unix socket `shim.sock`: one request on each connection.
//!
//! The server notices when a client has disconnected, whatever the guest does, and then keeps nothing for it.

mod streams;

use crate::{
    guest::{ANSWER, Guest, Unanswered},
    nics::{NicError, Nics},
    stage::Stage,
    wire::{self, Reply, Request},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use protocol::process::{Fault, FromInit, ToInit};
use std::{convert::Infallible, io, os::fd::AsFd, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Mutex, Notify, Semaphore, watch},
    task::JoinSet,
    time::timeout,
};

/// Before the next try where no descriptor is free.
const EXHAUSTED: Duration = Duration::from_secs(1);
/// For a client to say what it wants: it does so as soon as it is connected.
const REQUEST: Duration = Duration::from_secs(10);
/// Between two looks whether a client is still there: its input may be at its end, so that reading does not tell.
const LOOK: Duration = Duration::from_secs(2);

/// The parts of the shim that the server needs to answer requests.
pub struct Shared {
    /// The container's directory, which contains its log.
    pub dir: PathBuf,
    /// The handle to the guest's init.
    pub guest: Guest,
    /// The VM's NICs; `None` until QEMU answers.
    pub nics: Mutex<Option<Nics>>,
    /// The present stage of the VM's run.
    pub stage: watch::Sender<Stage>,
    /// Notified when a client asks to end the VM.
    pub kill: Notify,
}

/// The maximum number of a shim's clients at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The maximum number of clients of all kinds. Further clients wait until one has disconnected.
    pub clients: usize,
    /// The maximum number of clients that stay connected as long as a process runs; further ones are refused. The rest
    /// of the room is for requests that are answered in seconds, so that a VM can be ended however many clients are
    /// attached to it.
    pub streams: usize,
}

/// The maximum number of a shim's clients: a shim has about 1,000 descriptors beside these.
pub const ROOM: Room = Room {
    clients: 3_072,
    streams: 2_048,
};

/// Answers clients, each in a task of its own. Dropping this value ends the tasks.
pub struct Server {
    listener: UnixListener,
    clients: Clients,
    most: usize,
    shared: Arc<Shared>,
    streams: Arc<Semaphore>,
}

/// The connected clients of a shim, each served by a task.
#[derive(Default)]
pub struct Clients(JoinSet<()>);

impl Server {
    /// Returns a server on a listening socket. It answers no client until [`serve`](Self::serve) is called.
    ///
    /// # Errors
    /// Returns an error if the socket can't be registered with the async runtime.
    pub fn new(
        listener: std::os::unix::net::UnixListener,
        shared: Arc<Shared>,
        room: Room,
    ) -> io::Result<Self> {
        Ok(Self {
            listener: UnixListener::from_std(listener)?,
            clients: Clients::default(),
            most: room.clients,
            shared,
            streams: Arc::new(Semaphore::new(room.streams)),
        })
    }

    /// Accepts clients and answers them, without end. Cancel-safe: the tasks of connected clients continue, and new
    /// clients wait.
    pub async fn serve(&mut self) -> Infallible {
        loop {
            let clients = &mut self.clients.0;
            tokio::select! {
                accepted = self.listener.accept(), if clients.len() < self.most => match accepted {
                    Ok((stream, _)) => {
                        let shared = Arc::clone(&self.shared);
                        let streams = Arc::clone(&self.streams);
                        clients.spawn(async move {
                            // A client that goes away is no error.
                            let _ = answer(stream, &shared, &streams).await;
                        });
                    }
                    // No descriptor is free: one will be, when a client goes.
                    Err(_) => tokio::time::sleep(EXHAUSTED).await,
                },
                Some(_ended) = clients.join_next() => {}
            }
        }
    }

    /// Stops listening, and returns the clients that are still connected.
    pub fn close(self) -> Clients {
        self.clients
    }
}

impl Clients {
    /// Waits until the clients have read what is left for them and have disconnected, for no longer than `within`;
    /// then disconnects the others.
    pub async fn leave(mut self, within: Duration) {
        let leaving = async { while self.0.join_next().await.is_some() {} };
        // What does not read is not waited for.
        let _ = timeout(within, leaving).await;
        self.0.shutdown().await;
    }
}

async fn answer(
    stream: UnixStream,
    shared: &Arc<Shared>,
    streams: &Arc<Semaphore>,
) -> io::Result<()> {
    let asking = async {
        let Some((mut reader, writer)) = wire::answer(stream).await? else {
            return Ok(None);
        };
        let request = reader.next().await?;
        Ok::<_, io::Error>(request.map(|request| (request, reader, writer)))
    };
    let Ok(asked) = timeout(REQUEST, asking).await else {
        return Ok(());
    };
    let Some((request, reader, mut writer)) = asked? else {
        return Ok(());
    };
    let stays = matches!(request, Request::Attach { .. } | Request::Exec(_));
    let _permit = match stays.then(|| streams.try_acquire()).transpose() {
        Ok(permit) => permit,
        Err(_) => {
            let full = refused("too-many", "too many clients are attached: let some go");
            return writer.send(full).await;
        }
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

/// Carries out a request that the guest's init does, or answers, at once.
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
        guest_timeout()
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
        Err(Unanswered::Timeout) => guest_timeout(),
        Err(Unanswered::Ended) => refused("vm-ended", "the VM has ended"),
    }
}

fn guest_timeout() -> Reply {
    let reason =
        format!("the VM's init has not answered within {ANSWER:?}: it is stuck, or overloaded");
    refused("guest-late", &reason)
}

/// Returns the message of an error and of all of its sources, on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Returns the stable code of a guest's fault, as in [`Failure::code`](crate::Failure::code).
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

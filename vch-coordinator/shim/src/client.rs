//! The client of a shim, the process that runs one container VM. The coordinator uses it.

use crate::{
    launch::Nic,
    log::Position,
    sockets,
    stage::Stage,
    wire::{Greeted, Incoming, Outgoing, Reply, Request, VERSION, Version, greet},
};
use protocol::process::{
    CgroupLimits, Exit, Listed, Output, Process, ProcessId, TerminalSize, Usage,
};
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;
use tokio::{net::UnixStream, time::timeout};

/// For an answer that comes at once.
const DEADLINE: Duration = Duration::from_secs(10);
/// For the begin of a process: longer than the guest's init waits for it, 30 s.
const EXEC_DEADLINE: Duration = Duration::from_secs(40);
/// For a change of the VM's NICs: a guest takes its time to let one go.
const NIC_DEADLINE: Duration = Duration::from_secs(15);

/// The reason for which a request to a shim (the process that runs one container VM) failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The shim does not exist (no process listens at its socket), or it closed the connection: the
    /// VM has ended.
    #[error("the container's shim does not answer: its VM has ended")]
    Gone(#[source] io::Error),
    /// The shim can't be asked: this process has no free descriptor, or the shim has too many
    /// clients. The error says nothing about the VM, which may still run.
    #[error("the container's shim can't be reached")]
    Unreachable(#[source] io::Error),
    /// The shim did not answer within this time. The request may still be carried out.
    #[error("the container's shim has not answered within {0:?}")]
    Timeout(Duration),
    /// The shim refused the request, or the client did: with `too-long` if the request has too many
    /// bytes, with `older-shim` if the shim is of an older release that does not know it.
    #[error("{reason}")]
    Refused {
        /// A stable code for the reason, such as `not-found`, for programs.
        code: String,
        /// The reason in words, for a person.
        reason: String,
    },
    /// The shim's reply does not fit the request, or is not valid.
    #[error("the container's shim gave an answer without sense: it is of another release")]
    UnexpectedReply,
    /// The shim is of another release, and speaks no version of the protocol that this client
    /// knows. Its VM is not touched.
    #[error(
        "the container's shim speaks version {shim} of its protocol, this release versions 1 to {newest}: the VM is left \
         alone; start the release that it is of, or end its process"
    )]
    OtherVersion {
        /// The newest version that the shim speaks.
        shim: u8,
        /// The newest version that this client speaks.
        newest: u8,
    },
}

/// A conversation: what is asked, and what comes back.
type Conversation = (Incoming<Reply>, Outgoing<Request>);

/// A client of one shim, the process that runs one container VM. It connects to the shim's Unix
/// socket for each request.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// An open connection to one process of a container, its main process or one of `docker exec`. The process's output is
/// read from `reader`, its input is written to `writer`.
#[derive(Debug)]
pub struct Streams {
    /// The process's standard output and standard error.
    pub reader: StreamReader,
    /// The process's standard input. The shim does not read it if the process was started, or was attached to, without
    /// input.
    pub writer: StreamWriter,
}

/// The output of a process in a container, received from the VM's shim.
#[derive(Debug)]
pub struct StreamReader(Incoming<Reply>);

/// The standard input of a process in a container, sent to the VM's shim.
#[derive(Debug)]
pub struct StreamWriter(Outgoing<Request>);

/// An item that [`StreamReader::next`] returns: a piece of a process's output, or its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// The process wrote these bytes to this stream, standard output or standard error.
    Output(Output, Vec<u8>),
    /// The process has ended, and all of its output was read. Has the exit code of a process of
    /// [`Client::exec`]; `None` for the container's main process, whose exit code [`Client::watch`]
    /// reports.
    Ended(Option<Exit>),
}

/// A process in the container that [`Client::exec`] started beside the main process.
#[derive(Debug)]
pub struct Running {
    /// The process's number within this run of the VM, for [`Client::signal`] and
    /// [`Client::resize`].
    pub id: ProcessId,
    /// The process ID in the container's PID namespace.
    pub pid: u32,
    /// The open connection to the process: its output, and its standard input.
    pub streams: Streams,
}

/// The stages of a VM's run, each received when it is reached. [`Client::watch`] opens it.
#[derive(Debug)]
pub struct Stages(
    Incoming<Reply>,
    #[expect(dead_code, reason = "keeps the connection")] Outgoing<Request>,
);

impl Client {
    /// Returns a client of the shim whose sockets are in the directory `dir` (the socket is
    /// `shim.sock`). Does not connect.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            socket: dir.into().join(sockets::SHIM),
        }
    }

    async fn ask(&self, request: Request) -> Result<Conversation, ClientError> {
        let late = |_| Err(ClientError::Timeout(DEADLINE));
        let (reader, mut writer) = timeout(DEADLINE, self.negotiate())
            .await
            .unwrap_or_else(late)?;
        writer.send(request).await.map_err(lost)?;
        Ok((reader, writer))
    }

    /// Connects, and agrees on a version.
    async fn negotiate(&self) -> Result<Conversation, ClientError> {
        let mut stream = self.connect().await?;
        let version = match greet(&mut stream).await.map_err(lost)? {
            Greeted::Version(version) => version,
            Greeted::Other(shim) => {
                let newest = VERSION;
                return Err(ClientError::OtherVersion { shim, newest });
            }
            Greeted::Closed => {
                // One that has ended is not there any more.
                stream = self.connect().await?;
                Version::V1
            }
        };
        let (from, to) = stream.into_split();
        Ok((Incoming::new(from, version), Outgoing::new(to, version)))
    }

    async fn connect(&self) -> Result<UnixStream, ClientError> {
        let connected = UnixStream::connect(&self.socket).await;
        connected.map_err(not_connected)
    }

    async fn once(&self, request: Request, within: Duration) -> Result<Reply, ClientError> {
        let asked = timeout(within, async {
            let (mut reader, _writer) = self.ask(request).await?;
            reply(&mut reader).await
        });
        asked.await.unwrap_or(Err(ClientError::Timeout(within)))
    }

    async fn done(&self, request: Request, within: Duration) -> Result<(), ClientError> {
        match self.once(request, within).await? {
            Reply::Done => Ok(()),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Opens a connection on which the shim sends the VM's stage (how far its run has come): the present one at once,
    /// then each change.
    ///
    /// # Errors
    /// The errors of every request:
    /// - [`ClientError::Gone`] if the VM has ended.
    /// - [`ClientError::Unreachable`] if no connection can be made for another reason.
    /// - [`ClientError::Timeout`] if the shim does not answer within 10 s.
    /// - [`ClientError::OtherVersion`] if the shim is of an incompatible release.
    /// - [`ClientError::UnexpectedReply`] if the shim's answer is not valid.
    pub async fn watch(&self) -> Result<Stages, ClientError> {
        let (reader, writer) = self.ask(Request::Watch).await?;
        Ok(Stages(reader, writer))
    }

    /// Opens the streams of the container's main process. Its output begins at the position `from`
    /// of its log, or with new output if `from` is `None`; no output after this function has
    /// returned is missed.
    ///
    /// `input` says whether the caller will send input. `ends_input` says whether the process's
    /// standard input is closed when the caller ends its input or disconnects.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] if the shim has too
    /// many clients (`too-many`).
    pub async fn attach(
        &self,
        from: Option<Position>,
        input: bool,
        ends_input: bool,
    ) -> Result<Streams, ClientError> {
        let request = Request::Attach {
            from,
            input,
            ends_input,
        };
        let (mut reader, writer) = self.ask(request).await?;
        let first = timeout(DEADLINE, reply(&mut reader));
        match first.await.unwrap_or(Err(ClientError::Timeout(DEADLINE)))? {
            Reply::Done => Ok(streams(reader, writer)),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Runs another process in the container, as `docker exec` does. Returns when it runs. If this client disconnects,
    /// the process runs on.
    ///
    /// # Errors
    /// - [`ClientError::Refused`] if the process can't be started: `not-found` or `not-executable` (its program),
    ///   `user` (unknown), `too-many` (processes or clients), `vm-ended`, `too-long` (the request has more than 2 MiB),
    ///   `older-shim` (the shim's release does not know a field of the request), or `process` for all else.
    /// - [`ClientError::Timeout`] if it does not start within 40 s.
    /// - The errors of [`Client::watch`].
    pub async fn exec(&self, process: Process) -> Result<Running, ClientError> {
        let (mut reader, writer) = self.ask(Request::Exec(Box::new(process))).await?;
        let first = timeout(EXEC_DEADLINE, reply(&mut reader));
        match first
            .await
            .unwrap_or(Err(ClientError::Timeout(EXEC_DEADLINE)))?
        {
            Reply::Started(id, pid) => Ok(Running {
                id,
                pid,
                streams: streams(reader, writer),
            }),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Sends a signal (signal(7)) to the process of the container with this number; [`ProcessId::MAIN`] is its main
    /// process. Nothing happens if that process has ended.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] with code `guest-late` if the guest's init
    /// does not take the message within 8 s.
    pub async fn signal(&self, id: ProcessId, signal: u8) -> Result<(), ClientError> {
        self.done(Request::Signal(id, signal), DEADLINE).await
    }

    /// Sets the size of a process's terminal, in rows and columns. Nothing happens if the process has ended or has no
    /// terminal.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] with code `guest-late` if the guest's init
    /// does not take the message within 8 s.
    pub async fn resize(&self, id: ProcessId, size: TerminalSize) -> Result<(), ClientError> {
        self.done(Request::Resize(id, size), DEADLINE).await
    }

    /// Returns the processes of the container, as `docker top` shows them.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] if the guest's init
    /// does not answer (`guest-late`, `vm-ended`).
    pub async fn list(&self) -> Result<Vec<Listed>, ClientError> {
        match self.once(Request::List, DEADLINE).await? {
            Reply::Listed(processes) => Ok(processes),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Returns how much memory, processor time, disk and network the container uses, as `docker
    /// stats` shows it.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] if the guest's init
    /// does not answer (`guest-late`, `vm-ended`).
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        match self.once(Request::Usage, DEADLINE).await? {
            Reply::Used(usage) => Ok(usage),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Replaces all limits of the container's cgroup in the guest, as `docker update` does. Returns
    /// a message for each limit that the guest's kernel refused; an empty list if all are in force.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] if the guest's init
    /// does not answer (`guest-late`, `vm-ended`) or the shim is of an older release
    /// (`older-shim`).
    pub async fn update(&self, cgroup: CgroupLimits) -> Result<Vec<String>, ClientError> {
        let request = Request::Update(Box::new(cgroup));
        match self.once(request, DEADLINE).await? {
            Reply::Updated(refused) => Ok(refused),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Plugs a NIC into the running VM. Does nothing if the VM has a NIC with this ID. The time limit is 15 s.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] if the VM does not get the NIC: `no-slot`
    /// (all 40 PCIe root ports are taken), `tap` (the tap can't be opened) or `qemu` (QEMU refuses).
    pub async fn plug(&self, nic: Nic) -> Result<(), ClientError> {
        self.done(Request::Plug(nic), NIC_DEADLINE).await
    }

    /// Unplugs the NIC with this ID from the running VM. Does nothing if the VM does not have it. The time limit is 15
    /// s.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] with code `qemu` if QEMU refuses or the
    /// guest does not release the NIC.
    pub async fn unplug(&self, id: &str) -> Result<(), ClientError> {
        self.done(Request::Unplug(id.to_owned()), NIC_DEADLINE)
            .await
    }

    /// Connects a NIC of the running VM to its tap again, after another program deleted the tap and it was created
    /// anew. The guest keeps its NIC. `nic.id` names the NIC, and `nic.tap` the new tap.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`], or [`ClientError::Refused`] with code `no-such-nic` if the VM does not
    /// have the NIC, `tap` if the tap can't be attached.
    pub async fn reattach(&self, nic: Nic) -> Result<(), ClientError> {
        self.done(Request::Reattach(nic), NIC_DEADLINE).await
    }

    /// Tells the shim to end the VM at once, without a signal to the processes in it. Returns before the VM has ended.
    /// The run's exit code is then 137.
    ///
    /// # Errors
    /// Returns the errors of [`Client::watch`].
    pub async fn kill(&self) -> Result<(), ClientError> {
        self.done(Request::Kill, DEADLINE).await
    }
}

fn streams(reader: Incoming<Reply>, writer: Outgoing<Request>) -> Streams {
    Streams {
        reader: StreamReader(reader),
        writer: StreamWriter(writer),
    }
}

/// Returns the error for a connection that can't be made.
fn not_connected(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::Gone(error),
        _ => ClientError::Unreachable(error),
    }
}

/// Returns the error for a connection that was lost.
fn lost(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => ClientError::Gone(error),
        io::ErrorKind::InvalidData => ClientError::UnexpectedReply,
        io::ErrorKind::InvalidInput => refused("too-long", &error),
        io::ErrorKind::Unsupported => refused("older-shim", &error),
        _ => ClientError::Unreachable(error),
    }
}

/// Returns the error for a request that can't be sent.
fn refused(code: &str, error: &io::Error) -> ClientError {
    ClientError::Refused {
        code: code.to_owned(),
        reason: error.to_string(),
    }
}

async fn reply(from: &mut Incoming<Reply>) -> Result<Reply, ClientError> {
    match from.next().await.map_err(lost)? {
        Some(Reply::Refused { code, reason }) => Err(ClientError::Refused { code, reason }),
        Some(reply) => Ok(reply),
        None => Err(lost(io::ErrorKind::UnexpectedEof.into())),
    }
}

impl Stages {
    /// Waits for the next stage of the VM's run and returns it; the first call returns the present stage. A stage whose
    /// [`Stage::ended`] is set is the last one. Not cancel-safe.
    ///
    /// # Errors
    /// Returns [`ClientError::Gone`] if the shim has died or the last stage was returned,
    /// [`ClientError::UnexpectedReply`] if its reply is not a stage.
    pub async fn next(&mut self) -> Result<Stage, ClientError> {
        match reply(&mut self.0).await? {
            Reply::Stage(stage) => Ok(stage),
            _ => Err(ClientError::UnexpectedReply),
        }
    }
}

impl StreamReader {
    /// Waits for the next output of the process, or for its end, and returns it. Not cancel-safe.
    ///
    /// # Errors
    /// Returns [`ClientError::Gone`] if the shim has died; [`ClientError::Refused`] with code `vm-ended`, or with
    /// `slow-client` if this client read too slowly and output was discarded; [`ClientError::UnexpectedReply`] for a
    /// reply of another kind.
    pub async fn next(&mut self) -> Result<StreamItem, ClientError> {
        match reply(&mut self.0).await? {
            Reply::Output(stream, bytes) => Ok(StreamItem::Output(stream, bytes)),
            Reply::Exited(exit) => Ok(StreamItem::Ended(Some(exit))),
            Reply::Done => Ok(StreamItem::Ended(None)),
            _ => Err(ClientError::UnexpectedReply),
        }
    }
}

impl StreamWriter {
    /// Sends input to the process, and returns when the shim's socket has taken it. An empty slice ends the input. The
    /// process's standard input is then closed, unless [`Client::attach`] was called with `ends_input` false.
    ///
    /// # Errors
    /// Returns [`ClientError::Gone`] if the shim has closed the connection, for example since the process has ended;
    /// [`ClientError::Refused`] with code `too-long` for more than 2 MiB.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let input = Request::Input(bytes.to_vec());
        self.0.send(input).await.map_err(lost)
    }
}

#[cfg(test)]
mod tests;

//! The coordinator's client of a shim.

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

/// Why a request to a shim failed.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The shim does not exist (nothing listens at its socket), or closed the connection.
    #[error("the container's shim does not answer: its VM has ended")]
    Gone(#[source] io::Error),
    /// The shim can't be asked: this process has no free descriptor, or the shim has too many clients. It says
    /// nothing about the VM.
    #[error("the container's shim can't be reached")]
    Unreachable(#[source] io::Error),
    /// The shim did not answer within this time.
    #[error("the container's shim has not answered within {0:?}")]
    Timeout(Duration),
    /// The shim refused the request. A request that can't be sent is refused here: `too-long`, and `older-shim` if
    /// the shim of an older release does not know it.
    #[error("{reason}")]
    Refused {
        /// The stable code of the refusal.
        code: String,
        /// The reason, for a person.
        reason: String,
    },
    /// The shim's reply is not one to this request.
    #[error("the container's shim gave an answer without sense: it is of another release")]
    UnexpectedReply,
    /// The shim is of another release, and speaks no version of the protocol that this client knows. Its VM is not
    /// touched.
    #[error(
        "the container's shim speaks version {shim} of its protocol, this release versions 1 to {newest}: the VM is left \
         alone; start the release that it is of, or end its process"
    )]
    OtherVersion {
        /// The shim's version.
        shim: u8,
        /// The newest version that this client knows.
        newest: u8,
    },
}

/// A conversation: what is asked, and what comes back.
type Asked = (Incoming<Reply>, Outgoing<Request>);

/// A client of one shim, found by its socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// An open connection to a process of the container: its output arrives, and its input is sent.
#[derive(Debug)]
pub struct Streams {
    /// The process's output.
    pub reader: StreamReader,
    /// The process's input.
    pub writer: StreamWriter,
}

/// The output of a process.
#[derive(Debug)]
pub struct StreamReader(Incoming<Reply>);

/// The input of a process.
#[derive(Debug)]
pub struct StreamWriter(Outgoing<Request>);

/// One item of a process's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// The process wrote something.
    Output(Output, Vec<u8>),
    /// The process has ended; `None` for the container's own, whose end [`Client::watch`] tells.
    Ended(Option<Exit>),
}

/// A process that [`Client::exec`] started.
#[derive(Debug)]
pub struct Running {
    /// The process's number within this run of the VM, for later requests.
    pub id: ProcessId,
    /// The process ID in the container.
    pub pid: u32,
    /// The process's streams.
    pub streams: Streams,
}

/// The stages of a VM's run, as they are reached.
#[derive(Debug)]
pub struct Stages(
    Incoming<Reply>,
    #[expect(dead_code, reason = "keeps the connection")] Outgoing<Request>,
);

impl Client {
    /// Makes a client of the shim whose sockets are in a directory; does not connect.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            socket: dir.into().join(sockets::SHIM),
        }
    }

    async fn ask(&self, request: Request) -> Result<Asked, ClientError> {
        let late = |_| Err(ClientError::Timeout(DEADLINE));
        let (reader, mut writer) = timeout(DEADLINE, self.negotiate())
            .await
            .unwrap_or_else(late)?;
        writer.send(request).await.map_err(lost)?;
        Ok((reader, writer))
    }

    /// Connects, and agrees on a version.
    async fn negotiate(&self) -> Result<Asked, ClientError> {
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

    /// Follows the stages of the VM's run from now on.
    ///
    /// # Errors
    /// As every request: [`ClientError::Gone`], [`ClientError::Unreachable`],
    /// [`ClientError::Timeout`] or [`ClientError::OtherVersion`].
    pub async fn watch(&self) -> Result<Stages, ClientError> {
        let (reader, writer) = self.ask(Request::Watch).await?;
        Ok(Stages(reader, writer))
    }

    /// Opens the streams of the container's own process, from a position of the log on, or from now on. Once this
    /// returns, no output of the process is missed. `input` says whether input will be sent, `ends_input` whether the
    /// process's standard input ends with it.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
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

    /// Runs another process in the container.
    ///
    /// # Errors
    /// Returns [`ClientError::Refused`] with code `not-found`, `not-executable`, `user`, `process`, `too-many`,
    /// `vm-ended`, `too-long` or `older-shim` if the process can't be started, else the errors of [`Client::watch`].
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

    /// Sends a signal to a process.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
    pub async fn signal(&self, id: ProcessId, signal: u8) -> Result<(), ClientError> {
        self.done(Request::Signal(id, signal), DEADLINE).await
    }

    /// Sets the size of a process's terminal.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
    pub async fn resize(&self, id: ProcessId, size: TerminalSize) -> Result<(), ClientError> {
        self.done(Request::Resize(id, size), DEADLINE).await
    }

    /// Returns the container's processes.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
    pub async fn list(&self) -> Result<Vec<Listed>, ClientError> {
        match self.once(Request::List, DEADLINE).await? {
            Reply::Listed(processes) => Ok(processes),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Returns what the container uses of memory, processors and disks.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        match self.once(Request::Usage, DEADLINE).await? {
            Reply::Used(usage) => Ok(usage),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Replaces all bounds of the container's cgroup in the guest. Returns a message for each bound that could not be
    /// put in force.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
    pub async fn update(&self, cgroup: CgroupLimits) -> Result<Vec<String>, ClientError> {
        let request = Request::Update(Box::new(cgroup));
        match self.once(request, DEADLINE).await? {
            Reply::Updated(refused) => Ok(refused),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Plugs a NIC into the VM; succeeds if the VM has it.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the VM does not get it.
    pub async fn plug(&self, nic: Nic) -> Result<(), ClientError> {
        self.done(Request::Plug(nic), NIC_DEADLINE).await
    }

    /// Unplugs a NIC from the VM; succeeds if the VM does not have it.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the VM keeps it.
    pub async fn unplug(&self, id: &str) -> Result<(), ClientError> {
        self.done(Request::Unplug(id.to_owned()), NIC_DEADLINE)
            .await
    }

    /// Reattaches a NIC to its tap, which was made anew.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the NIC or its tap is missing.
    pub async fn reattach(&self, nic: Nic) -> Result<(), ClientError> {
        self.done(Request::Reattach(nic), NIC_DEADLINE).await
    }

    /// Ends the VM at once.
    ///
    /// # Errors
    /// As [`Client::watch`], and [`ClientError::Refused`] if the shim refuses.
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
    /// Waits for the next stage and returns it. Not cancel-safe.
    ///
    /// # Errors
    /// Returns [`ClientError::Gone`] if the shim has died, [`ClientError::UnexpectedReply`] if its
    /// reply is not a stage.
    pub async fn next(&mut self) -> Result<Stage, ClientError> {
        match reply(&mut self.0).await? {
            Reply::Stage(stage) => Ok(stage),
            _ => Err(ClientError::UnexpectedReply),
        }
    }
}

impl StreamReader {
    /// Waits for the next item of the stream and returns it. Not cancel-safe.
    ///
    /// # Errors
    /// Returns [`ClientError::Gone`] if the shim has died, [`ClientError::Refused`] if the shim
    /// refuses, [`ClientError::UnexpectedReply`] for a reply of another kind.
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
    /// Sends input to the process; no bytes mean the end of input.
    ///
    /// # Errors
    /// Returns [`ClientError::Gone`] if the process or the shim has ended.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let input = Request::Input(bytes.to_vec());
        self.0.send(input).await.map_err(lost)
    }
}

#[cfg(test)]
mod tests;

//! The coordinator's side.

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

/// Why a shim does not do what it is asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// It is not there (nothing listens at its socket), or went away in mid conversation.
    #[error("the container's shim does not answer: its VM has ended")]
    Gone(#[source] io::Error),
    /// It can't be asked: no descriptor is free here, or it has too many clients. Nothing follows from it for the VM.
    #[error("the container's shim can't be reached")]
    Unreachable(#[source] io::Error),
    /// It does not answer.
    #[error("the container's shim has not answered within {0:?}")]
    Timeout(Duration),
    /// It refuses. What can't even be asked is refused here: `too-long`, and `older-shim` for what the shim of an older
    /// release does not know.
    #[error("{reason}")]
    Refused {
        /// Stays the same for ever.
        code: String,
        /// In words.
        reason: String,
    },
    /// It answers something else.
    #[error("the container's shim gave an answer without sense: it is of another release")]
    UnexpectedReply,
    /// It is of another release, and speaks no version of its protocol that is known here. Its VM is not touched.
    #[error(
        "the container's shim speaks version {shim} of its protocol, this release versions 1 to {newest}: the VM is left \
         alone; start the release that it is of, or end its process"
    )]
    OtherVersion {
        /// The shim's.
        shim: u8,
        /// The newest one that is known here.
        newest: u8,
    },
}

/// A conversation: what is asked, and what comes back.
type Asked = (Incoming<Reply>, Outgoing<Request>);

/// A shim, by its socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

/// An open conversation: what a process writes comes, its input goes.
#[derive(Debug)]
pub struct Streams {
    /// What it writes.
    pub reader: StreamReader,
    /// Its input.
    pub writer: StreamWriter,
}

/// What a process writes.
#[derive(Debug)]
pub struct StreamReader(Incoming<Reply>);

/// A process's input.
#[derive(Debug)]
pub struct StreamWriter(Outgoing<Request>);

/// One item of a process's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// It wrote something.
    Output(Output, Vec<u8>),
    /// It has ended; `None` for the container's own, whose end is told by [`Client::watch`].
    Ended(Option<Exit>),
}

/// A process that `exec` started.
#[derive(Debug)]
pub struct Running {
    /// Its number in this life.
    pub id: ProcessId,
    /// Its number in the container.
    pub pid: u32,
    /// Its streams.
    pub streams: Streams,
}

/// How a VM's life goes on.
#[derive(Debug)]
pub struct Stages(
    Incoming<Reply>,
    #[expect(dead_code, reason = "keeps the connection")] Outgoing<Request>,
);

impl Client {
    /// The shim at a directory of sockets.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            socket: dir.into().join(sockets::SHIM),
        }
    }

    async fn ask(&self, request: Request) -> Result<Asked, ClientError> {
        let late = |_| Err(ClientError::Timeout(DEADLINE));
        let (reader, mut writer) = timeout(DEADLINE, self.meet()).await.unwrap_or_else(late)?;
        writer.send(request).await.map_err(lost)?;
        Ok((reader, writer))
    }

    /// Connects, and agrees on a version.
    async fn meet(&self) -> Result<Asked, ClientError> {
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

    /// How the VM's life goes, from now on.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn watch(&self) -> Result<Stages, ClientError> {
        let (reader, writer) = self.ask(Request::Watch).await?;
        Ok(Stages(reader, writer))
    }

    /// The streams of the container's own process, from a position of the log on, or from now on: when this is answered,
    /// nothing that it writes is missed.
    ///
    /// # Errors
    /// [`ClientError`].
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
    /// [`ClientError::Refused`] with `not-found`, `not-executable`, `user`, `process`, `too-many`, `vm-ended`,
    /// `too-long` or `older-shim`.
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
    /// [`ClientError`].
    pub async fn signal(&self, id: ProcessId, signal: u8) -> Result<(), ClientError> {
        self.done(Request::Signal(id, signal), DEADLINE).await
    }

    /// Gives a terminal another size.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn resize(&self, id: ProcessId, size: TerminalSize) -> Result<(), ClientError> {
        self.done(Request::Resize(id, size), DEADLINE).await
    }

    /// The container's processes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list(&self) -> Result<Vec<Listed>, ClientError> {
        match self.once(Request::List, DEADLINE).await? {
            Reply::Listed(processes) => Ok(processes),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// What the container uses.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn usage(&self) -> Result<Usage, ClientError> {
        match self.once(Request::Usage, DEADLINE).await? {
            Reply::Used(usage) => Ok(usage),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Bounds the container's cgroup in the guest anew, as a whole. Answers with what is not in force, each bound with
    /// its reason in words: nothing where all are.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn update(&self, cgroup: CgroupLimits) -> Result<Vec<String>, ClientError> {
        let request = Request::Update(Box::new(cgroup));
        match self.once(request, DEADLINE).await? {
            Reply::Updated(refused) => Ok(refused),
            _ => Err(ClientError::UnexpectedReply),
        }
    }

    /// Lets the VM have a NIC.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn plug(&self, nic: Nic) -> Result<(), ClientError> {
        self.done(Request::Plug(nic), NIC_DEADLINE).await
    }

    /// Lets the VM have no such NIC.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn unplug(&self, id: &str) -> Result<(), ClientError> {
        self.done(Request::Unplug(id.to_owned()), NIC_DEADLINE)
            .await
    }

    /// Lets a NIC work again whose tap was made anew.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reattach(&self, nic: Nic) -> Result<(), ClientError> {
        self.done(Request::Reattach(nic), NIC_DEADLINE).await
    }

    /// Ends the VM at once.
    ///
    /// # Errors
    /// [`ClientError`].
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

/// Why there is no connection.
fn not_connected(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::Gone(error),
        _ => ClientError::Unreachable(error),
    }
}

/// Why a conversation does not go on.
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

/// What is not even asked.
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
    /// The next stage. Not cancel-safe.
    ///
    /// # Errors
    /// [`ClientError::Gone`] where the shim died.
    pub async fn next(&mut self) -> Result<Stage, ClientError> {
        match reply(&mut self.0).await? {
            Reply::Stage(stage) => Ok(stage),
            _ => Err(ClientError::UnexpectedReply),
        }
    }
}

impl StreamReader {
    /// What comes next. Not cancel-safe.
    ///
    /// # Errors
    /// [`ClientError`].
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
    /// Gives input; none says that it is at its end.
    ///
    /// # Errors
    /// [`ClientError::Gone`] where the process or the shim has ended.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let input = Request::Input(bytes.to_vec());
        self.0.send(input).await.map_err(lost)
    }
}

#[cfg(test)]
mod tests;

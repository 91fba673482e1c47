//! One try of one question at one upstream server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::epoll::EpollFlags;

use crate::casing::Casing;
use crate::forward::{Forward, Verdict};
use crate::socket;

/// Datagrams looked at for one event: a flood of false answers must not hold the thread.
const MAX_DATAGRAMS: usize = 16;

/// The socket of one try, and the random ID of its question (RFC 5452, 9.2).
#[derive(Debug)]
pub(crate) struct Try {
    /// The upstream server that is queried.
    pub server: SocketAddr,
    id: u16,
    casing: Casing,
    leg: Leg,
}

#[derive(Debug)]
enum Leg {
    Udp(UdpSocket),
    Tcp {
        stream: TcpStream,
        /// The rest of the question that is still to be written.
        output: Vec<u8>,
        input: Vec<u8>,
    },
}

/// The outcome of a socket's event.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The answer has not arrived yet.
    Wait,
    /// The server can't be reached: its time-out need not be waited for.
    Failed(io::Error),
    /// A message answers the question; never [`Verdict::Ignore`].
    Judged(Verdict),
}

impl Try {
    /// Sends the question by UDP, with its letters in this case.
    ///
    /// # Errors
    /// Returns an error if the socket can't be opened or the question can't be sent.
    pub(crate) fn by_udp(
        forward: &Forward,
        server: SocketAddr,
        casing: Casing,
    ) -> io::Result<Self> {
        let id = random_id()?;
        let socket = socket::asking(server)?;
        socket.send(&forward.question_in(&casing, id))?;
        let leg = Leg::Udp(socket);
        Ok(Self {
            server,
            id,
            casing,
            leg,
        })
    }

    /// Begins to send the question by TCP.
    ///
    /// # Errors
    /// Returns an error if the connection can't be begun.
    pub(crate) fn by_tcp(forward: &Forward, server: SocketAddr) -> io::Result<Self> {
        let id = random_id()?;
        let question = forward.question(id);
        let length = u16::try_from(question.len()).map_err(io::Error::other)?;
        let leg = Leg::Tcp {
            stream: socket::connecting(server)?,
            output: [&length.to_be_bytes(), question.as_slice()].concat(),
            input: Vec::new(),
        };
        Ok(Self {
            server,
            id,
            casing: Casing::AsAsked,
            leg,
        })
    }

    /// Returns the events to wait for now.
    pub(crate) fn interest(&self) -> EpollFlags {
        match &self.leg {
            Leg::Tcp { output, .. } if !output.is_empty() => EpollFlags::EPOLLOUT,
            _ => EpollFlags::EPOLLIN,
        }
    }

    /// Reads and writes as far as the socket allows.
    pub(crate) fn ready(&mut self, forward: &Forward, buffer: &mut [u8]) -> Outcome {
        let id = self.id;
        let message = match &mut self.leg {
            Leg::Udp(socket) => return receive(socket, (id, &self.casing), forward, buffer),
            Leg::Tcp {
                stream,
                output,
                input,
            } => proceed(stream, output, input, buffer),
        };
        match message {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Outcome::Wait,
            Err(error) => Outcome::Failed(error),
            Ok(message) => match forward.judge(id, message) {
                // Over TCP there is nothing to wait for, and nothing larger to ask by.
                Verdict::Ignore | Verdict::AskByTcp | Verdict::OtherCase => {
                    Outcome::Judged(Verdict::AskNext)
                }
                verdict => Outcome::Judged(verdict),
            },
        }
    }
}

impl AsFd for Try {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.leg {
            Leg::Udp(socket) => socket.as_fd(),
            Leg::Tcp { stream, .. } => stream.as_fd(),
        }
    }
}

fn receive(
    socket: &UdpSocket,
    (id, casing): (u16, &Casing),
    forward: &Forward,
    buffer: &mut [u8],
) -> Outcome {
    for _ in 0..MAX_DATAGRAMS {
        let message = match socket.recv(buffer) {
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Outcome::Wait,
            Err(error) => return Outcome::Failed(error),
        };
        match forward.judge_in(casing, id, message) {
            Verdict::Ignore => {}
            verdict => return Outcome::Judged(verdict),
        }
    }
    Outcome::Wait
}

/// Writes the question, then reads until one whole message is there (RFC 1035, 4.2.2).
/// `WouldBlock` where it is not.
fn proceed<'a>(
    stream: &mut TcpStream,
    output: &mut Vec<u8>,
    input: &'a mut Vec<u8>,
    buffer: &mut [u8],
) -> io::Result<&'a [u8]> {
    while !output.is_empty() {
        let written = stream.write(output)?;
        output.drain(..written);
    }
    let read = stream.read(buffer)?;
    if read == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    input.extend_from_slice(buffer.get(..read).unwrap_or_default());
    let whole = input.split_first_chunk().and_then(|(length, rest)| {
        let length = usize::from(u16::from_be_bytes(*length));
        rest.get(..length)
    });
    whole.ok_or_else(|| ErrorKind::WouldBlock.into())
}

fn random_id() -> io::Result<u16> {
    let number = getrandom::u32().map_err(io::Error::other)?;
    let [high, low, ..] = number.to_be_bytes();
    Ok(u16::from_be_bytes([high, low]))
}

//! The TCP connections of clients (RFC 7766): many questions on one, answered in any order.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::epoll::EpollFlags;

use crate::answer::Asker;
use crate::config::Config;
use crate::reactor::{Kind, Reactor, Token};
use crate::tally::{ClientKey, Tally};

/// A question of this length has room for every name and option there is.
const MAX_QUESTION: usize = 4096;
/// Questions of one connection that wait for upstream; beyond it no more is read.
const MAX_WAITING: usize = 32;
/// Replies that a client has not taken yet, in octets; beyond it no more is read.
const MAX_UNSENT: usize = 128 * 1024;

/// The TCP connections of one thread.
#[derive(Debug)]
pub(crate) struct Connections {
    open: HashMap<Token, Connection>,
    tally: Tally,
    idle_timeout: Duration,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// The listener that it came in by.
    listener: Token,
    asker: Asker,
    client: ClientKey,
    input: Vec<u8>,
    output: Vec<u8>,
    waiting: usize,
    /// The client will ask nothing more.
    finished: bool,
    interest: EpollFlags,
    idle_since: Instant,
}

impl Connections {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            open: HashMap::new(),
            tally: Tally::new(
                config.max_connections.div_ceil(config.threads),
                config.max_connections_per_client,
            ),
            idle_timeout: config.idle_timeout,
        }
    }

    /// Registers an accepted connection, or closes it if a bound is reached.
    pub(crate) fn open(
        &mut self,
        reactor: &mut Reactor,
        stream: TcpStream,
        listener: Token,
        (asker, client): (Asker, ClientKey),
    ) {
        if self.tally.is_full() {
            self.close_most_idle();
        }
        if stream.set_nonblocking(true).is_err() || !self.tally.enter(client) {
            return;
        }
        // Replies are written whole; waiting to fill a segment only delays them.
        let _only_slower = stream.set_nodelay(true);
        let interest = EpollFlags::EPOLLIN;
        let Ok(token) = reactor.register(Kind::Connection, &stream, interest) else {
            self.tally.leave(client);
            return;
        };
        let now = Instant::now();
        reactor.arm(token, now + self.idle_timeout);
        let connection = Connection {
            stream,
            listener,
            asker,
            client,
            input: Vec::new(),
            output: Vec::new(),
            waiting: 0,
            finished: false,
            interest,
            idle_since: now,
        };
        self.open.insert(token, connection);
    }

    /// Reads the bytes that have arrived on a connection.
    pub(crate) fn read(&mut self, token: Token) {
        let Some(connection) = self.open.get_mut(&token) else {
            return;
        };
        let mut buffer = [0; MAX_QUESTION];
        match connection.stream.read(&mut buffer) {
            Ok(0) => connection.finished = true,
            Ok(length) => {
                let read = buffer.get(..length).unwrap_or_default();
                connection.input.extend_from_slice(read);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.close(token),
        }
    }

    /// Returns the next whole question of a connection, as long as the connection may have one more
    /// waiting. A message of an impossible length closes the connection, since the next message
    /// can't be found.
    pub(crate) fn next_question(&mut self, token: Token) -> Option<(Vec<u8>, Asker)> {
        let connection = self.open.get_mut(&token)?;
        if !connection.takes_more() {
            return None;
        }
        let (length, rest) = connection.input.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MAX_QUESTION {
            self.close(token);
            return None;
        }
        let question = rest.get(..length)?.to_vec();
        connection.input.drain(..2 + length);
        connection.idle_since = Instant::now();
        Some((question, connection.asker))
    }

    /// Notes that a question of the connection was sent upstream.
    pub(crate) fn wait(&mut self, token: Token) {
        if let Some(connection) = self.open.get_mut(&token) {
            connection.waiting += 1;
        }
    }

    /// Notes that the answer to a question of the connection arrived.
    pub(crate) fn waited(&mut self, token: Token) {
        if let Some(connection) = self.open.get_mut(&token) {
            connection.waiting = connection.waiting.saturating_sub(1);
        }
    }

    /// Appends a reply to the connection's output.
    pub(crate) fn reply(&mut self, token: Token, reply: &[u8]) {
        let (Some(connection), Ok(length)) =
            (self.open.get_mut(&token), u16::try_from(reply.len()))
        else {
            return;
        };
        connection.output.extend_from_slice(&length.to_be_bytes());
        connection.output.extend_from_slice(reply);
    }

    /// Writes as much output as the client takes, registers for the next event, and closes a
    /// connection that is done. Returns whether another question can be taken now.
    pub(crate) fn flush(&mut self, reactor: &Reactor, token: Token) -> bool {
        let Some(connection) = self.open.get_mut(&token) else {
            return false;
        };
        let alive = connection.write();
        let goes_on = connection.takes_more() && connection.has_question();
        let done = connection.is_done() && !goes_on;
        if !alive || done || connection.watch(reactor, token).is_err() {
            self.close(token);
            return false;
        }
        goes_on
    }

    /// Handles a connection's timer: closes the connection if its idle time is over.
    pub(crate) fn expired(&mut self, reactor: &mut Reactor, token: Token) {
        let Some(connection) = self.open.get(&token) else {
            return;
        };
        let until = connection.idle_since + self.idle_timeout;
        if until > Instant::now() {
            reactor.arm(token, until);
        } else {
            self.close(token);
        }
    }

    pub(crate) fn close(&mut self, token: Token) {
        if let Some(connection) = self.open.remove(&token) {
            self.tally.leave(connection.client);
        }
    }

    /// Closes all connections of one listener.
    pub(crate) fn close_from(&mut self, listener: Token) {
        let from: Vec<Token> = self
            .open
            .iter()
            .filter(|(_, connection)| connection.listener == listener)
            .map(|(token, _)| *token)
            .collect();
        from.into_iter().for_each(|token| self.close(token));
    }

    /// Closes the connection that has been idle longest. Returns whether there was one.
    pub(crate) fn close_most_idle(&mut self) -> bool {
        let most_idle = self
            .open
            .iter()
            .min_by_key(|(_, connection)| connection.idle_since)
            .map(|(token, _)| *token);
        most_idle.map(|token| self.close(token)).is_some()
    }
}

impl Connection {
    fn takes_more(&self) -> bool {
        self.waiting < MAX_WAITING && self.output.len() < MAX_UNSENT
    }

    /// Returns whether a whole question has arrived, or a length that no question can have.
    fn has_question(&self) -> bool {
        self.input
            .split_first_chunk()
            .is_some_and(|(length, rest)| {
                let length = usize::from(u16::from_be_bytes(*length));
                length > MAX_QUESTION || length <= rest.len()
            })
    }

    /// Returns whether the connection is done, except for questions that have arrived already.
    fn is_done(&self) -> bool {
        self.finished && self.waiting == 0 && self.output.is_empty()
    }

    /// Returns whether the connection still stands.
    fn write(&mut self) -> bool {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(written) => {
                    self.output.drain(..written);
                }
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn watch(&mut self, reactor: &Reactor, token: Token) -> Result<(), nix::errno::Errno> {
        let mut interest = EpollFlags::empty();
        interest.set(
            EpollFlags::EPOLLIN,
            !self.finished && self.takes_more() && self.input.len() < 2 * MAX_QUESTION,
        );
        interest.set(EpollFlags::EPOLLOUT, !self.output.is_empty());
        if interest != self.interest {
            reactor.reregister(token, &self.stream, interest)?;
            self.interest = interest;
        }
        Ok(())
    }
}

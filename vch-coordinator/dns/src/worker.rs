//! One thread of the server.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use dashmap::DashSet;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;

use crate::answer::{Asker, Decision, answer};
use crate::config::Config;
use crate::connection::Connections;
use crate::forwarder::{Delivery, Forwarder, ReplyTo};
use crate::gateway::Gateways;
use crate::names::Names;
use crate::network_id::NetworkId;
use crate::reactor::{Kind, Reactor, Token, parts};
use crate::reply::Transport;
use crate::socket::Sockets;
use crate::stats::Counters;
use crate::waiting::{Origin, WaitingQueue};

/// Events taken from the kernel at once.
const EVENTS: usize = 256;
/// Connections taken from one listener before the others have their turn.
const BATCH: usize = 64;
/// Datagrams read from one socket before questions are answered, and answers before sockets are read again. Reading
/// costs a tenth of answering: a flood is read as it comes, so that what others ask is not lost in it.
const READS: usize = 256;
const ANSWERS: usize = 64;
/// How long a listener rests when there are no descriptors left for its connections.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// A command to a thread.
#[derive(Debug)]
pub(crate) enum WorkerCommand {
    /// Serves these sockets too.
    Listen {
        network: NetworkId,
        sockets: Sockets,
        done: SyncSender<Result<(), Errno>>,
    },
    /// Closes an address's sockets and its connections.
    Unlisten { ip: IpAddr, done: SyncSender<()> },
    /// Replaces the upstream servers for questions from now on.
    Upstreams(Arc<[SocketAddr]>),
    /// Ends the thread.
    Stop,
    /// Panics, for tests.
    #[cfg(test)]
    Panic,
    /// Does nothing until the sender is dropped, for tests.
    #[cfg(test)]
    Hold(Receiver<()>),
}

/// The state that all threads share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    /// The table of published names.
    pub names: Arc<Names>,
    /// The addresses that are served.
    pub own: Arc<DashSet<SocketAddr>>,
}

/// The state of one thread.
#[derive(Debug)]
pub(crate) struct Worker {
    reactor: Reactor,
    wake: Arc<EventFd>,
    commands: Receiver<WorkerCommand>,
    names: Arc<Names>,
    gateways: Gateways,
    connections: Connections,
    forwarder: Forwarder,
    waiting: WaitingQueue,
    /// Replies that are ready to be sent.
    outbox: VecDeque<Delivery>,
    counters: Arc<Counters>,
}

impl Worker {
    /// Makes the worker of a thread, which takes commands from `commands` when `wake` is signalled.
    ///
    /// # Errors
    /// Returns the kernel's error if epoll can't be set up.
    pub(crate) fn new(
        config: &Config,
        shared: Shared,
        commands: Receiver<WorkerCommand>,
        wake: Arc<EventFd>,
        counters: Arc<Counters>,
    ) -> Result<Self, Errno> {
        let mut reactor = Reactor::new()?;
        reactor.register(Kind::Wake, &*wake, EpollFlags::EPOLLIN)?;
        Ok(Self {
            reactor,
            wake,
            commands,
            names: shared.names,
            gateways: Gateways::default(),
            connections: Connections::new(config),
            forwarder: Forwarder::new(config, shared.own),
            outbox: VecDeque::new(),
            waiting: WaitingQueue::new(config.max_waiting),
            counters,
        })
    }

    /// Serves until a command ends the thread; every socket is closed then.
    ///
    /// # Errors
    /// Returns the kernel's error if waiting for events fails.
    pub(crate) fn run(mut self) -> Result<(), Errno> {
        let mut events = vec![EpollEvent::empty(); EVENTS];
        loop {
            let busy = !self.waiting.is_empty();
            let count = self.reactor.wait(&mut events, busy)?;
            for event in events.iter().take(count) {
                let (token, flags) = parts(*event);
                match token.kind() {
                    Kind::Wake if self.obey() => {}
                    Kind::Wake => return Ok(()),
                    Kind::Udp => {
                        self.read_datagrams(token);
                        self.answer_waiting();
                    }
                    Kind::Listener => self.accept(token),
                    Kind::Connection => {
                        self.connection(token, flags);
                        self.send_replies();
                    }
                    Kind::Exchange => {
                        let delivery = self.forwarder.ready(&mut self.reactor, token);
                        self.deliver(delivery);
                    }
                }
            }
            self.answer_waiting();
            let now = Instant::now();
            while let Some(token) = self.reactor.expired(now) {
                self.timer(token);
            }
        }
    }

    /// Carries out all commands. Returns whether to go on.
    fn obey(&mut self) -> bool {
        let _was_empty = self.wake.read();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                WorkerCommand::Listen {
                    network,
                    sockets,
                    done,
                } => {
                    let added = self.gateways.add(&mut self.reactor, network, sockets);
                    let _nobody_waits = done.send(added);
                }
                WorkerCommand::Unlisten { ip, done } => {
                    if let Some(listener) = self.gateways.remove(ip) {
                        self.connections.close_from(listener);
                    }
                    let _nobody_waits = done.send(());
                }
                WorkerCommand::Upstreams(upstreams) => self.forwarder.set_upstreams(upstreams),
                WorkerCommand::Stop => return false,
                #[cfg(test)]
                WorkerCommand::Panic => panic!("a defect"),
                #[cfg(test)]
                WorkerCommand::Hold(held) => _ = held.recv(),
            }
        }
        true
    }

    fn timer(&mut self, token: Token) {
        match token.kind() {
            Kind::Exchange => {
                let delivery = self.forwarder.expired(&mut self.reactor, token);
                self.deliver(delivery);
            }
            Kind::Connection => self.connections.expired(&mut self.reactor, token),
            Kind::Listener => self.gateways.set_accepting(&self.reactor, token, true),
            Kind::Wake | Kind::Udp => {}
        }
    }

    fn read_datagrams(&mut self, gateway: Token) {
        for _ in 0..READS {
            let buffer = self.waiting.buffer();
            let Some((length, peer, network)) = self.gateways.receive(gateway, buffer) else {
                return;
            };
            let origin = Origin {
                gateway,
                network,
                peer,
                client: self.names.client(network, peer.ip()),
            };
            if !self.waiting.keep(length, origin) {
                self.counters.count_beyond();
            }
        }
    }

    /// Answers questions that wait, those of all clients in turn.
    fn answer_waiting(&mut self) {
        for _ in 0..ANSWERS {
            let Some(origin) = self.waiting.next() else {
                return;
            };
            let Origin { gateway, peer, .. } = origin;
            let asker = Asker {
                network: origin.network,
                source: peer.ip(),
                transport: Transport::Udp,
            };
            match self.decide(self.waiting.message(), &asker) {
                Decision::Reply(reply) => self.gateways.send(gateway, peer, &reply),
                Decision::Forward(forward) => {
                    let asked = (ReplyTo::Datagram { gateway, peer }, origin.client);
                    let started = self.forwarder.start(&mut self.reactor, forward, asked);
                    self.deliver(started.others);
                    self.deliver(started.own);
                }
                Decision::Drop => {}
            }
        }
    }

    fn decide(&self, message: &[u8], asker: &Asker) -> Decision {
        let decision = answer(message, asker, &self.names);
        self.counters.count(&decision);
        decision
    }

    fn accept(&mut self, listener: Token) {
        for _ in 0..BATCH {
            match self.gateways.accept(listener) {
                Ok((stream, peer, network)) => {
                    let asker = Asker {
                        network,
                        source: peer.ip(),
                        transport: Transport::Tcp,
                    };
                    let client = self.names.client(network, asker.source);
                    self.connections
                        .open(&mut self.reactor, stream, listener, (asker, client));
                }
                Err(error) => return self.accept_failed(listener, &error),
            }
        }
    }

    /// Handles an error of accept. Without free descriptors the listener would stay ready and the
    /// thread would spin, so the listener rests.
    fn accept_failed(&mut self, listener: Token, error: &std::io::Error) {
        let exhausted = [
            nix::libc::EMFILE,
            nix::libc::ENFILE,
            nix::libc::ENOBUFS,
            nix::libc::ENOMEM,
        ];
        if error
            .raw_os_error()
            .is_some_and(|code| exhausted.contains(&code))
        {
            tracing::warn!(%error, "dns: no connection can be accepted");
            self.connections.close_most_idle();
            self.gateways.set_accepting(&self.reactor, listener, false);
            self.reactor.arm(listener, Instant::now() + ACCEPT_REST);
        }
    }

    fn connection(&mut self, token: Token, flags: EpollFlags) {
        // Both directions are down: no reply can be written any more.
        if flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            return self.connections.close(token);
        }
        if flags.contains(EpollFlags::EPOLLIN) {
            self.connections.read(token);
        }
        self.questions(token);
    }

    /// Answers what a connection asked, as far as its bounds allow, and writes.
    fn questions(&mut self, connection: Token) {
        loop {
            while let Some((message, asker)) = self.connections.next_question(connection) {
                self.question(connection, &message, &asker);
            }
            // Once replies are written there may be room for the rest.
            if !self.connections.flush(&self.reactor, connection) {
                return;
            }
        }
    }

    fn question(&mut self, connection: Token, message: &[u8], asker: &Asker) {
        let client = self.names.client(asker.network, asker.source);
        match self.decide(message, asker) {
            Decision::Reply(reply) => self.connections.reply(connection, &reply),
            Decision::Forward(forward) => {
                let asked = (ReplyTo::Stream { connection }, client);
                let started = self.forwarder.start(&mut self.reactor, forward, asked);
                match started.own.into_iter().next() {
                    Some((_, reply)) => self.connections.reply(connection, &reply),
                    None => self.connections.wait(connection),
                }
                // Sent when this event is done: it may let other connections ask more.
                self.outbox.extend(started.others);
            }
            Decision::Drop => self.connections.close(connection),
        }
    }

    fn deliver(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        self.outbox.extend(deliveries);
        self.send_replies();
    }

    fn send_replies(&mut self) {
        while let Some((to, reply)) = self.outbox.pop_front() {
            match to {
                ReplyTo::Datagram { gateway, peer } => self.gateways.send(gateway, peer, &reply),
                ReplyTo::Stream { connection } => {
                    self.connections.waited(connection);
                    self.connections.reply(connection, &reply);
                    self.questions(connection);
                }
            }
        }
    }
}

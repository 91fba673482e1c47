//! The questions of one thread that wait for upstream servers.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashSet;

use crate::config::Config;
use crate::exchange::{Outcome, Try};
use crate::forward::{Forward, Verdict};
use crate::reactor::{Kind, Reactor, Token};
use crate::tally::{ClientKey, Tally};

/// How long a server that did not answer is asked last and not first.
const REST: Duration = Duration::from_secs(10);

/// Where a reply goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReplyTo {
    /// To a peer of a gateway's UDP socket.
    Datagram { gateway: Token, peer: SocketAddr },
    /// Into a client's TCP connection.
    Stream { connection: Token },
}

/// A reply that is ready to be sent.
pub(crate) type Delivery = (ReplyTo, Vec<u8>);

/// All questions in flight, each with one socket of its own: a fresh random port and id for every
/// try (RFC 5452, 9.2).
#[derive(Debug)]
pub(crate) struct Forwarder {
    exchanges: HashMap<Token, Exchange>,
    tally: Tally,
    upstreams: Arc<[SocketAddr]>,
    /// What the server itself listens on.
    own: Arc<DashSet<SocketAddr>>,
    /// Servers that did not answer, and until when they rest.
    resting: HashMap<SocketAddr, Instant>,
    timeout: Duration,
    deadline: Duration,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Exchange {
    question: Question,
    attempt: Try,
    retried: bool,
}

/// A question and the servers that it may still go to.
#[derive(Debug)]
struct Question {
    forward: Forward,
    reply_to: ReplyTo,
    client: ClientKey,
    candidates: VecDeque<Candidate>,
    give_up: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    server: SocketAddr,
    retried: bool,
}

impl Forwarder {
    /// One thread's share of what `config` allows.
    pub(crate) fn new(config: &Config, own: Arc<DashSet<SocketAddr>>) -> Self {
        Self {
            exchanges: HashMap::new(),
            tally: Tally::new(
                config.max_outstanding.div_ceil(config.threads),
                config.max_outstanding_per_client,
            ),
            upstreams: config.upstreams.as_slice().into(),
            own,
            resting: HashMap::new(),
            timeout: config.upstream_timeout,
            deadline: config.upstream_deadline,
            buffer: vec![0; usize::from(u16::MAX)].into_boxed_slice(),
        }
    }

    /// Questions from now on go to these.
    pub(crate) fn set_upstreams(&mut self, upstreams: Arc<[SocketAddr]>) {
        self.upstreams = upstreams;
        self.resting.clear();
    }

    /// Asks. A failure that is known at once is returned.
    pub(crate) fn start(
        &mut self,
        reactor: &mut Reactor,
        forward: Forward,
        reply_to: ReplyTo,
        client: ClientKey,
    ) -> Option<Delivery> {
        if !self.tally.enter(client) {
            return Some((reply_to, forward.failure()));
        }
        let now = Instant::now();
        let candidates = self.candidates(&forward, now);
        let question = Question {
            forward,
            reply_to,
            client,
            candidates,
            give_up: now + self.deadline,
        };
        self.ask_next(reactor, question, now)
    }

    /// Takes what came for one exchange.
    pub(crate) fn ready(&mut self, reactor: &mut Reactor, token: Token) -> Option<Delivery> {
        let mut exchange = self.exchanges.remove(&token)?;
        let server = exchange.attempt.server;
        let forward = &exchange.question.forward;
        match exchange.attempt.ready(forward, &mut self.buffer) {
            Outcome::Wait => {
                let interest = exchange.attempt.interest();
                if let Err(error) = reactor.reregister(token, &exchange.attempt, interest) {
                    tracing::warn!(%error, "dns: epoll refuses an upstream socket");
                }
                self.exchanges.insert(token, exchange);
                None
            }
            Outcome::Failed(error) => {
                let now = Instant::now();
                self.rest(server, now, &error);
                self.ask_next(reactor, exchange.question, now)
            }
            Outcome::Judged(verdict) => {
                self.resting.remove(&server);
                self.follow(reactor, exchange.question, server, verdict)
            }
        }
    }

    /// The time of one try is over.
    pub(crate) fn expired(&mut self, reactor: &mut Reactor, token: Token) -> Option<Delivery> {
        let mut exchange = self.exchanges.remove(&token)?;
        let now = Instant::now();
        let server = exchange.attempt.server;
        self.rest(server, now, &"no answer in time");
        if !exchange.retried {
            exchange.question.candidates.push_back(Candidate {
                server,
                retried: true,
            });
        }
        self.ask_next(reactor, exchange.question, now)
    }

    fn follow(
        &mut self,
        reactor: &mut Reactor,
        question: Question,
        server: SocketAddr,
        verdict: Verdict,
    ) -> Option<Delivery> {
        let now = Instant::now();
        match verdict {
            Verdict::Reply(reply) => Some(self.finish(&question, reply)),
            Verdict::AskByTcp => match Try::by_tcp(&question.forward, server) {
                Ok(attempt) => self.wait_for(reactor, question, attempt, true),
                Err(_) => self.ask_next(reactor, question, now),
            },
            Verdict::AskNext | Verdict::Ignore => self.ask_next(reactor, question, now),
        }
    }

    fn ask_next(
        &mut self,
        reactor: &mut Reactor,
        mut question: Question,
        now: Instant,
    ) -> Option<Delivery> {
        while now < question.give_up
            && let Some(Candidate { server, retried }) = question.candidates.pop_front()
        {
            match Try::by_udp(&question.forward, server) {
                Ok(attempt) => return self.wait_for(reactor, question, attempt, retried),
                Err(error) => self.rest(server, now, &error),
            }
        }
        let failure = question.forward.failure();
        Some(self.finish(&question, failure))
    }

    fn wait_for(
        &mut self,
        reactor: &mut Reactor,
        question: Question,
        attempt: Try,
        retried: bool,
    ) -> Option<Delivery> {
        let token = match reactor.register(Kind::Exchange, &attempt, attempt.interest()) {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, "dns: epoll refuses an upstream socket");
                let failure = question.forward.failure();
                return Some(self.finish(&question, failure));
            }
        };
        let until = (Instant::now() + self.timeout).min(question.give_up);
        reactor.arm(token, until);
        let exchange = Exchange {
            question,
            attempt,
            retried,
        };
        self.exchanges.insert(token, exchange);
        None
    }

    fn finish(&mut self, question: &Question, reply: Vec<u8>) -> Delivery {
        self.tally.leave(question.client);
        (question.reply_to, reply)
    }

    /// The configured order, with those that rest at its end. An address of our own is left out:
    /// there a question would come back as one of the VCH's, and be answered from a network that
    /// the client may not see.
    fn candidates(&mut self, forward: &Forward, now: Instant) -> VecDeque<Candidate> {
        self.resting.retain(|_, until| *until > now);
        let servers = forward.servers().unwrap_or(&self.upstreams);
        let rests = |server: &&SocketAddr| self.resting.contains_key(*server);
        let others = servers.iter().filter(|server| !self.own.contains(*server));
        let (resting, awake): (Vec<_>, Vec<_>) = others.partition(rests);
        awake
            .into_iter()
            .chain(resting)
            .map(|&server| Candidate {
                server,
                retried: false,
            })
            .collect()
    }

    fn rest(&mut self, server: SocketAddr, now: Instant, reason: &dyn std::fmt::Display) {
        if self.resting.insert(server, now + REST).is_none() {
            tracing::warn!(%server, %reason, "dns: upstream server does not answer");
        }
    }
}

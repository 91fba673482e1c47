//! The questions of one thread that wait for upstream servers.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dashmap::DashSet;

use crate::casing::Casing;
use crate::config::Config;
use crate::exchange::{Outcome, Try};
use crate::forward::{Forward, Subject, Verdict, with_id};
use crate::reactor::{Kind, Reactor, Token};
use crate::shares::{Number, Room, Shares};
use crate::tally::ClientKey;

/// How long a server that did not answer is asked last and not first.
const REST: Duration = Duration::from_secs(10);

/// How long a server is asked as the client wrote it that can't repeat letters' case and does not
/// answer by TCP.
const CASELESS: Duration = Duration::from_secs(600);

/// The destination of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// A client of a gateway's UDP socket.
    Datagram { gateway: Token, peer: SocketAddr },
    /// A client's TCP connection.
    Stream { connection: Token },
}

/// A reply that is ready to be sent.
pub(crate) type Delivery = (ReplyTo, Vec<u8>);

/// The replies that are ready as soon as a question was started.
#[derive(Debug, Default)]
pub(crate) struct Started {
    /// The reply to the question itself, if it does not have to wait.
    pub own: Option<Delivery>,
    /// The reply to another question, which gave way.
    pub others: Option<Delivery>,
}

/// Names one question in flight.
type QuestionId = u64;

/// All questions in flight on one thread. Each has a socket of its own: a new random port, ID and case of letters for
/// every try (RFC 5452, 9.2). A client that asks what is asked already waits for the same answer: a forger has one
/// question to guess at, however often it is asked.
#[derive(Debug)]
pub(crate) struct Forwarder {
    exchanges: HashMap<QuestionId, Exchange>,
    /// The socket of each.
    tokens: HashMap<Token, QuestionId>,
    in_flight: HashMap<Subject, QuestionId>,
    next: QuestionId,
    shares: Shares<QuestionId>,
    upstreams: Arc<[SocketAddr]>,
    /// The addresses that the server itself listens on.
    own: Arc<DashSet<SocketAddr>>,
    /// Servers that did not answer, and until when they rest.
    resting: HashMap<SocketAddr, Instant>,
    /// Servers that do not repeat letters' case, and until when that is taken to be so.
    caseless: HashMap<SocketAddr, Instant>,
    timeout: Duration,
    deadline: Duration,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Exchange {
    question: Question,
    attempt: Try,
    retried: bool,
    /// It is asked by TCP because the answer by UDP was in other letters.
    other_case: bool,
    token: Token,
}

/// A question and the servers that it may still go to.
#[derive(Debug)]
struct Question {
    id: QuestionId,
    forward: Forward,
    waiting: Vec<WaitingClient>,
    candidates: VecDeque<Candidate>,
    deadline: Instant,
}

/// A client that waits for the answer.
#[derive(Debug, Clone, Copy)]
struct WaitingClient {
    number: Number,
    client: ClientKey,
    reply_to: ReplyTo,
    /// The client's own.
    id: u16,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    server: SocketAddr,
    retried: bool,
}

impl Forwarder {
    /// Makes the forwarder of one thread, with its share of the bounds in `config`. `own` are the
    /// addresses that the server listens on, which are never asked.
    pub(crate) fn new(config: &Config, own: Arc<DashSet<SocketAddr>>) -> Self {
        Self {
            exchanges: HashMap::new(),
            tokens: HashMap::new(),
            in_flight: HashMap::new(),
            next: 0,
            shares: Shares::new(
                config.max_outstanding.div_ceil(config.threads),
                config.max_outstanding_per_client,
            ),
            upstreams: config.upstreams.as_slice().into(),
            own,
            resting: HashMap::new(),
            caseless: HashMap::new(),
            timeout: config.upstream_timeout,
            deadline: config.upstream_deadline,
            buffer: vec![0; usize::from(u16::MAX)].into_boxed_slice(),
        }
    }

    /// Replaces the upstream servers for questions from now on.
    pub(crate) fn set_upstreams(&mut self, upstreams: Arc<[SocketAddr]>) {
        self.upstreams = upstreams;
        self.resting.clear();
        self.caseless.clear();
    }

    /// Sends a question upstream, or lets it wait for the answer to the same question.
    pub(crate) fn start(
        &mut self,
        reactor: &mut Reactor,
        forward: Forward,
        (reply_to, client): (ReplyTo, ClientKey),
    ) -> Started {
        let subject = forward.subject();
        let joined = self.in_flight.get(&subject).copied();
        if joined.is_some_and(|id| self.waits(id, reply_to, forward.id())) {
            // The client asks again what it waits for: it gets one answer.
            return Started::default();
        }
        let mut started = Started::default();
        match self.shares.room(client) {
            Room::Free => {}
            Room::Instead(client, number, question) => {
                started.others = self.give_way(client, number, question);
            }
            Room::None => {
                started.own = Some((reply_to, forward.failure()));
                return started;
            }
        }
        // It may have been the last who waited that gave way.
        let joined = joined.filter(|id| self.exchanges.contains_key(id));
        let id = joined.unwrap_or_else(|| {
            self.next += 1;
            self.next
        });
        let waiting = WaitingClient {
            number: self.shares.enter(client, id),
            client,
            reply_to,
            id: forward.id(),
        };
        if let Some(exchange) = self.exchanges.get_mut(&id) {
            exchange.question.waiting.push(waiting);
            return started;
        }
        let now = Instant::now();
        let candidates = self.candidates(&forward, now);
        let question = Question {
            id,
            forward,
            waiting: vec![waiting],
            candidates,
            deadline: now + self.deadline,
        };
        self.in_flight.insert(subject, id);
        started.own = self.ask_next(reactor, question, now).pop();
        started
    }

    /// Returns whether this client waits for this question already, under this ID.
    fn waits(&self, question: QuestionId, reply_to: ReplyTo, id: u16) -> bool {
        // Each question on a connection has a reply of its own.
        let by_datagram = matches!(reply_to, ReplyTo::Datagram { .. });
        let exchange = self.exchanges.get(&question);
        by_datagram
            && exchange.is_some_and(|exchange| {
                let mut waiting = exchange.question.waiting.iter();
                waiting.any(|one| one.reply_to == reply_to && one.id == id)
            })
    }

    /// Ends the wait of one who waits for a question, and with the last one the question.
    fn give_way(
        &mut self,
        client: ClientKey,
        number: Number,
        question: QuestionId,
    ) -> Option<Delivery> {
        self.shares.leave(client, number);
        let exchange = self.exchanges.get_mut(&question)?;
        let waiting = &mut exchange.question.waiting;
        let at = waiting.iter().position(|one| one.number == number)?;
        let one = waiting.swap_remove(at);
        let is_last = waiting.is_empty();
        let failure = with_id(exchange.question.forward.failure(), one.id);
        if is_last && let Some(exchange) = self.take(question) {
            self.in_flight.remove(&exchange.question.forward.subject());
        }
        Some((one.reply_to, failure))
    }

    fn take(&mut self, question: QuestionId) -> Option<Exchange> {
        let exchange = self.exchanges.remove(&question)?;
        self.tokens.remove(&exchange.token);
        Some(exchange)
    }

    fn take_by(&mut self, token: Token) -> Option<Exchange> {
        let question = *self.tokens.get(&token)?;
        self.take(question)
    }

    fn keep(&mut self, exchange: Exchange) {
        self.tokens.insert(exchange.token, exchange.question.id);
        self.exchanges.insert(exchange.question.id, exchange);
    }

    /// Reads the answer that arrived on the socket of one attempt at an upstream server; returns
    /// the replies to clients that are ready.
    pub(crate) fn ready(&mut self, reactor: &mut Reactor, token: Token) -> Vec<Delivery> {
        let Some(mut exchange) = self.take_by(token) else {
            return Vec::new();
        };
        let server = exchange.attempt.server;
        let forward = &exchange.question.forward;
        match exchange.attempt.ready(forward, &mut self.buffer) {
            Outcome::Wait => {
                let interest = exchange.attempt.interest();
                if let Err(error) = reactor.reregister(token, &exchange.attempt, interest) {
                    tracing::warn!(%error, "dns: epoll refuses an upstream socket");
                }
                self.keep(exchange);
                Vec::new()
            }
            Outcome::Failed(error) => {
                let now = Instant::now();
                if exchange.other_case {
                    return self.ask_plainly(reactor, exchange, now);
                }
                self.rest(server, now, &error);
                self.ask_next(reactor, exchange.question, now)
            }
            Outcome::Judged(verdict) => {
                self.resting.remove(&server);
                self.follow(reactor, exchange.question, server, verdict)
            }
        }
    }

    /// Handles the time-out of one attempt at an upstream server; returns the replies to clients
    /// that are ready.
    pub(crate) fn expired(&mut self, reactor: &mut Reactor, token: Token) -> Vec<Delivery> {
        let Some(mut exchange) = self.take_by(token) else {
            return Vec::new();
        };
        let now = Instant::now();
        let server = exchange.attempt.server;
        if exchange.other_case {
            return self.ask_plainly(reactor, exchange, now);
        }
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
    ) -> Vec<Delivery> {
        let now = Instant::now();
        match verdict {
            Verdict::Reply(reply) => self.finish(question, &reply),
            Verdict::AskByTcp | Verdict::OtherCase => {
                let other_case = verdict == Verdict::OtherCase;
                match Try::by_tcp(&question.forward, server) {
                    Ok(attempt) => self.wait_for(reactor, question, (attempt, true, other_case)),
                    Err(_) => self.ask_next(reactor, question, now),
                }
            }
            Verdict::AskNext | Verdict::Ignore => self.ask_next(reactor, question, now),
        }
    }

    fn ask_next(
        &mut self,
        reactor: &mut Reactor,
        mut question: Question,
        now: Instant,
    ) -> Vec<Delivery> {
        self.caseless.retain(|_, until| *until > now);
        while now < question.deadline
            && let Some(Candidate { server, retried }) = question.candidates.pop_front()
        {
            let casing = match self.caseless.contains_key(&server) {
                true => Casing::AsAsked,
                false => Casing::random(),
            };
            match Try::by_udp(&question.forward, server, casing) {
                Ok(attempt) => return self.wait_for(reactor, question, (attempt, retried, false)),
                Err(error) => self.rest(server, now, &error),
            }
        }
        let failure = question.forward.failure();
        self.finish(question, &failure)
    }

    /// Asks a server once more that answered in other letters and not by TCP: there are some that change
    /// them. A forger who was lucky once has to be so again.
    fn ask_plainly(
        &mut self,
        reactor: &mut Reactor,
        exchange: Exchange,
        now: Instant,
    ) -> Vec<Delivery> {
        let server = exchange.attempt.server;
        if self.caseless.insert(server, now + CASELESS).is_none() {
            tracing::warn!(%server, "dns: upstream server does not repeat the case of letters");
        }
        let mut question = exchange.question;
        question.candidates.push_front(Candidate {
            server,
            retried: true,
        });
        self.ask_next(reactor, question, now)
    }

    fn wait_for(
        &mut self,
        reactor: &mut Reactor,
        question: Question,
        (attempt, retried, other_case): (Try, bool, bool),
    ) -> Vec<Delivery> {
        let token = match reactor.register(Kind::Exchange, &attempt, attempt.interest()) {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, "dns: epoll refuses an upstream socket");
                let failure = question.forward.failure();
                return self.finish(question, &failure);
            }
        };
        let until = (Instant::now() + self.timeout).min(question.deadline);
        reactor.arm(token, until);
        self.keep(Exchange {
            question,
            attempt,
            retried,
            other_case,
            token,
        });
        Vec::new()
    }

    /// Ends a question: the reply goes to all who wait for it.
    fn finish(&mut self, question: Question, reply: &[u8]) -> Vec<Delivery> {
        self.in_flight.remove(&question.forward.subject());
        let waiting = question.waiting.into_iter();
        let replies = waiting.map(|one| {
            self.shares.leave(one.client, one.number);
            (one.reply_to, with_id(reply.to_vec(), one.id))
        });
        replies.collect()
    }

    /// Returns the servers to ask in the configured order, with those that rest at the end. The
    /// server's own addresses are left out: a question to one would come back as the VCH's, and be
    /// answered from a network that the client may not see.
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

//! A query to an upstream server, and the check of the messages that come back. No I/O.

use std::net::SocketAddr;
use std::sync::Arc;

use domain::base::iana::{OptRcode, Rcode};
use domain::base::{Message, MessageBuilder, Question};

use crate::casing::{self, Casing};
use crate::query::Query;
use crate::reply::{Reply, Transport, size_limit};

/// A client's query, made ready to be sent to an upstream server: only its question, flags and EDNS settings are kept.
/// It also makes the reply for the client of what the upstream server answers. Does no I/O.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// The question as we ask it, under the client's id.
    message: Vec<u8>,
    transport: Transport,
    /// The client's own upstream servers.
    servers: Option<Arc<[SocketAddr]>>,
}

/// What to do with a message that came from an upstream server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The message does not answer the query (RFC 5452, 9.1). Ignore it and wait further.
    Ignore,
    /// The server has failed or refuses the query. Query the next server.
    AskNext,
    /// The message may be the answer, but does not repeat the case of the query's letters. Query
    /// this server again by TCP, where no other host can answer.
    OtherCase,
    /// The answer is truncated, and the client can take more. Query this server again by TCP.
    AskByTcp,
    /// The message is the answer. Send these bytes to the client.
    Reply(Vec<u8>),
}

impl Forward {
    /// Makes the question anew. The client's transport and options end here (RFC 6891, 6.1.1: hop
    /// by hop). EDNS is used if the client uses it, with at most its size, so that the reply fits
    /// the client unchanged.
    pub(crate) fn new(query: &Query, transport: Transport) -> Self {
        let Ok(mut builder) = MessageBuilder::from_target(Vec::with_capacity(128));
        let header = builder.header_mut();
        header.set_id(query.header.id());
        header.set_rd(query.header.rd());
        header.set_ad(query.header.ad());
        header.set_cd(query.header.cd());
        let mut questions = builder.question();
        let asked = &query.question;
        // Without a push limit, neither can fail: one question of at most 259 octets, one OPT.
        let _fits = questions.push(Question::new(asked.qname(), asked.qtype(), asked.qclass()));
        let mut additional = questions.additional();
        if let Some(edns) = query.edns {
            let _fits = additional.opt(|opt| {
                opt.set_udp_payload_size(edns.udp_size);
                opt.set_dnssec_ok(edns.dnssec_ok);
                Ok(())
            });
        }
        Self {
            message: additional.finish(),
            transport,
            servers: None,
        }
    }

    /// Returns the question for these servers; `None` for the server's own upstream servers.
    pub(crate) fn to(self, servers: Option<Arc<[SocketAddr]>>) -> Self {
        Self { servers, ..self }
    }

    /// Returns the upstream servers to query, in order of preference, if the client has its own
    /// ([`View::upstreams`](crate::View::upstreams)); `None` if the server's own
    /// ([`Config::upstreams`](crate::Config::upstreams)) are to be queried.
    #[must_use]
    pub fn servers(&self) -> Option<&[SocketAddr]> {
        self.servers.as_deref()
    }

    /// Returns what two questions have in common if one answer answers both.
    pub(crate) fn subject(&self) -> Subject {
        Subject {
            message: self.message.get(2..).unwrap_or_default().into(),
            transport: self.transport,
            servers: self.servers.clone(),
        }
    }

    /// Returns the ID of the client's query.
    pub(crate) fn id(&self) -> u16 {
        let id = self.message.first_chunk().copied().unwrap_or_default();
        u16::from_be_bytes(id)
    }

    /// Returns the message to send to an upstream server, like [`Forward::question`], with the case of the letters in
    /// its name changed by `casing`. A random case is hard to guess for a forger, and the answer must repeat it.
    #[must_use]
    pub fn question_in(&self, casing: &Casing, id: u16) -> Vec<u8> {
        let mut question = self.question(id);
        casing.apply(&mut question);
        question
    }

    /// Decides, like [`Forward::judge`], what to do with the message `octets` from an upstream server that was queried
    /// with [`Forward::question_in`] with this `casing` and `id`. The verdict is [`Verdict::OtherCase`] if the message
    /// fits the query but does not repeat the case of its letters.
    #[must_use]
    pub fn judge_in(&self, casing: &Casing, id: u16, octets: &[u8]) -> Verdict {
        match self.judge(id, octets) {
            Verdict::Ignore => Verdict::Ignore,
            _ if !casing.is_repeated(&self.question_in(casing, id), octets) => Verdict::OtherCase,
            verdict => verdict,
        }
    }

    /// Returns the message to send to an upstream server, with this `id`, and with the letters of the name in the
    /// client's case. `id` must be random and new for each try (RFC 5452, 9.2).
    #[must_use]
    pub fn question(&self, id: u16) -> Vec<u8> {
        with_id(self.message.clone(), id)
    }

    /// Decides what to do with the message `octets` that came from an upstream server, which was queried with this
    /// `id`. A [`Verdict::Reply`] has the client's ID, and is truncated to what the client takes.
    #[must_use]
    pub fn judge(&self, id: u16, octets: &[u8]) -> Verdict {
        let question = self.question(id);
        let (Ok(reply), Ok(asked)) = (Message::from_slice(octets), Message::from_slice(&question))
        else {
            return Verdict::Ignore;
        };
        if !reply.is_answer(asked) {
            return Verdict::Ignore;
        }
        match reply.header().rcode() {
            Rcode::SERVFAIL | Rcode::REFUSED => Verdict::AskNext,
            _ if reply.header().tc() && self.transport == Transport::Tcp => Verdict::AskByTcp,
            rcode => Verdict::Reply(self.fit(octets, rcode)),
        }
    }

    /// Returns the reply for the client if no upstream server has answered: SERVFAIL, with the client's ID.
    #[must_use]
    pub fn failure(&self) -> Vec<u8> {
        match Query::parse(&self.message) {
            Ok(query) => Reply::new(&query, self.transport).finish(OptRcode::SERVFAIL),
            // Not reached: the message was made from a query that parsed.
            Err(_) => Vec::new(),
        }
    }

    fn fit(&self, octets: &[u8], rcode: Rcode) -> Vec<u8> {
        let [id_high, id_low, ..] = self.message[..] else {
            return Vec::new();
        };
        let id = u16::from_be_bytes([id_high, id_low]);
        match Query::parse(&self.message) {
            Ok(query) if octets.len() > size_limit(query.edns, self.transport) => {
                Reply::new(&query, self.transport)
                    .truncated()
                    .finish(rcode.into())
            }
            _ => {
                let mut reply = with_id(octets.to_vec(), id);
                casing::restore(&self.message, &mut reply);
                reply
            }
        }
    }
}

/// The properties that two questions with the same answer share; see [`Forward::subject`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    message: Box<[u8]>,
    transport: Transport,
    servers: Option<Arc<[SocketAddr]>>,
}

pub(crate) fn with_id(mut message: Vec<u8>, id: u16) -> Vec<u8> {
    if let Some(octets) = message.first_chunk_mut() {
        *octets = id.to_be_bytes();
    }
    message
}

#[cfg(test)]
mod tests;

//! The replies that this server makes, within the size that the client takes.

use domain::base::iana::{OptRcode, Rcode};
use domain::base::message_builder::{AnswerBuilder, MessageBuilder, StaticCompressor};
use domain::base::rdata::ComposeRecordData;
use domain::base::{Header, Question, ToName, Ttl};

use crate::query::{Edns, MAX_UDP_SIZE, PLAIN_UDP_SIZE, Query};

/// An OPT record without options: root, type, class, TTL, length (RFC 6891, 6.1.2).
const OPT_SIZE: usize = 11;
/// RFC 7766, 8: the length field of TCP has two octets.
const MAX_TCP_SIZE: usize = u16::MAX as usize;
/// The most records in one answer; further ones are left out, and the selection rotates.
pub(crate) const MAX_RECORDS: usize = 1000;

/// The transport of a query and of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// UDP. A reply has at most 512 octets, or with EDNS the size that the client's query allows, up to 1,232; a longer
    /// one is truncated.
    Udp,
    /// TCP. The reply is limited to 65,535 octets by its length field.
    Tcp,
}

/// Returns the greatest size of a reply, in octets.
pub(crate) fn size_limit(edns: Option<Edns>, transport: Transport) -> usize {
    match (transport, edns) {
        (Transport::Tcp, _) => MAX_TCP_SIZE,
        (Transport::Udp, Some(edns)) => usize::from(edns.udp_size),
        (Transport::Udp, None) => PLAIN_UDP_SIZE,
    }
}

/// A reply in the making: its header and question are written.
pub(crate) struct Reply {
    answers: AnswerBuilder<StaticCompressor<Vec<u8>>>,
    edns: Option<Edns>,
    limit: usize,
}

impl Reply {
    /// Begins a reply with authoritative answers (AA, RFC 1035, 4.1.1).
    pub(crate) fn new(query: &Query, transport: Transport) -> Self {
        let limit = size_limit(query.edns, transport);
        let Ok(mut builder) =
            MessageBuilder::from_target(StaticCompressor::new(Vec::with_capacity(256)));
        let reserved = if query.edns.is_some() { OPT_SIZE } else { 0 };
        // domain's limit is the first length that is too long.
        builder.set_push_limit(limit - reserved + 1);
        *builder.header_mut() = answering(query.header);
        builder.header_mut().set_aa(true);
        let mut questions = builder.question();
        let asked = &query.question;
        // A question has at most 259 octets: it fits the smallest limit.
        let _fits = questions.push(Question::new(asked.qname(), asked.qtype(), asked.qclass()));
        Self {
            answers: questions.answer(),
            edns: query.edns,
            limit,
        }
    }

    /// Appends a record about the name that was asked for. If it does not fit, TC is set (RFC 2181,
    /// 9) and no further record is taken; those before it stay, for old clients that do not ask
    /// again by TCP. Returns whether further records may follow.
    pub(crate) fn push(
        &mut self,
        owner: &impl ToName,
        ttl: Ttl,
        data: impl ComposeRecordData,
    ) -> bool {
        if self.answers.push((owner, ttl, data)).is_ok() {
            return true;
        }
        self.answers.header_mut().set_tc(true);
        false
    }

    pub(crate) fn truncated(mut self) -> Self {
        self.answers.header_mut().set_tc(true);
        self
    }

    pub(crate) fn finish(mut self, rcode: OptRcode) -> Vec<u8> {
        self.answers.header_mut().set_rcode(rcode.rcode());
        if rcode != OptRcode::NOERROR && rcode != OptRcode::NXDOMAIN {
            self.answers.header_mut().set_aa(false);
        }
        let mut additional = self.answers.additional();
        if let Some(edns) = self.edns {
            additional.set_push_limit(self.limit + 1);
            // Its room was kept free.
            let _fits = additional.opt(|opt| {
                opt.set_udp_payload_size(MAX_UDP_SIZE);
                opt.set_dnssec_ok(edns.dnssec_ok);
                opt.set_rcode(rcode);
                Ok(())
            });
        }
        additional.finish().into_target()
    }
}

/// Returns a reply that is a header only, for a message whose question can't be read or does not
/// matter.
pub(crate) fn header_only(asked: Header, rcode: Rcode) -> Vec<u8> {
    let Ok(mut builder) = MessageBuilder::from_target(Vec::with_capacity(12));
    *builder.header_mut() = answering(asked);
    builder.header_mut().set_rcode(rcode);
    builder.finish()
}

/// Returns the header that answers another (RFC 1035, 4.1.1; CD is copied, RFC 4035, 3.2.2).
fn answering(asked: Header) -> Header {
    let mut header = Header::default();
    header.set_id(asked.id());
    header.set_qr(true);
    header.set_opcode(asked.opcode());
    header.set_rd(asked.rd());
    header.set_cd(asked.cd());
    header.set_ra(true);
    header
}

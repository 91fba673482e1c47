//! A query, decoded from a message and checked.

use domain::base::iana::{Class, Opcode, OptRcode, Rcode, Rtype};
use domain::base::opt::{Opt, OptRecord};
use domain::base::{Header, Message, ParsedName, Question, ToName};

/// The size in octets that a client without EDNS takes by UDP (RFC 1035, 4.2.1).
pub(crate) const PLAIN_UDP_SIZE: usize = 512;
/// The most octets that this server sends or asks for by UDP: such a datagram crosses every link
/// without fragments (RFC 9715, 3.2, advises 1,400 at most; 1,232 fits IPv6's least MTU of 1,280).
pub(crate) const MAX_UDP_SIZE: u16 = 1232;

/// The content of the client's OPT record (RFC 6891).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edns {
    /// The size in octets that the client takes by UDP, between 512 and [`MAX_UDP_SIZE`].
    pub udp_size: u16,
    /// The DO bit (RFC 3225): whether the client wants signatures.
    pub dnssec_ok: bool,
}

/// A message that asks one question.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    /// The message's header.
    pub header: Header,
    /// The name, type and class that are queried.
    pub question: Question<ParsedName<&'a [u8]>>,
    /// The content of the client's OPT record; `None` if it has none.
    pub edns: Option<Edns>,
}

/// A message that can't be answered as a query.
#[derive(Debug)]
pub(crate) enum Unfit<'a> {
    /// It is an answer, or too short to tell: it is dropped, since answering answers makes loops.
    Drop,
    /// Only the header can be read; the reply is a header with this code.
    Header(Header, Rcode),
    /// The question can be read, but something else is wrong; the reply has this code.
    Refuse(Query<'a>, OptRcode),
}

impl<'a> Query<'a> {
    /// Parses a query.
    ///
    /// # Errors
    /// Returns [`Unfit`], with the reply if there is one, if the message is not a query that the
    /// server can answer.
    pub(crate) fn parse(octets: &'a [u8]) -> Result<Self, Unfit<'a>> {
        let &[id_high, id_low, flags, ..] = octets else {
            return Err(Unfit::Drop);
        };
        let mut header = Header::default();
        header.set_id(u16::from_be_bytes([id_high, id_low]));
        // RFC 1035, 4.1.1: QR is the first bit of the third octet.
        if flags & 0x80 != 0 {
            return Err(Unfit::Drop);
        }
        let Ok(message) = Message::from_slice(octets) else {
            return Err(Unfit::Header(header, Rcode::FORMERR));
        };
        let header = message.header();
        if header.opcode() != Opcode::QUERY {
            return Err(Unfit::Header(header, Rcode::NOTIMP));
        }
        let malformed = Unfit::Header(header, Rcode::FORMERR);
        let Ok(question) = message.sole_question() else {
            return Err(malformed);
        };
        let Ok(opt) = sole_opt(message) else {
            return Err(malformed);
        };
        let edns = opt.as_ref().map(|opt| Edns {
            udp_size: opt.udp_payload_size().clamp(512, MAX_UDP_SIZE),
            dnssec_ok: opt.dnssec_ok(),
        });
        let query = Self {
            header,
            question,
            edns,
        };
        if opt.is_some_and(|opt| opt.version() != 0) {
            return Err(Unfit::Refuse(query, OptRcode::BADVERS));
        }
        match (query.question.qclass(), query.question.qtype()) {
            (Class::IN | Class::ANY, qtype) if !is_meta(qtype) => Ok(query),
            _ => Err(Unfit::Refuse(query, OptRcode::REFUSED)),
        }
    }

    /// Returns the name that is asked for, in wire format, lower-cased.
    pub(crate) fn name(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(64);
        let Ok(()) = self.question.qname().compose_canonical(&mut wire);
        wire
    }
}

/// Returns the only OPT record of a query, if it has one (RFC 6891, 6.1.1: a second one is a format
/// error). Everything before it must at least be well formed, and a query has no answers.
fn sole_opt(message: &Message<[u8]>) -> Result<Option<OptRecord<&[u8]>>, Malformed> {
    if message.header_counts().ancount() != 0 {
        return Err(Malformed);
    }
    let mut found = None;
    for record in message.additional().map_err(|_| Malformed)? {
        let record = record.map_err(|_| Malformed)?;
        if record.rtype() != Rtype::OPT {
            continue;
        }
        let opt = record.to_record::<Opt<&[u8]>>().map_err(|_| Malformed)?;
        if found.is_some() || opt.as_ref().is_some_and(|opt| !opt.owner().is_root()) {
            return Err(Malformed);
        }
        found = opt.map(OptRecord::from);
    }
    Ok(found)
}

struct Malformed;

/// Types that ask for a zone, a key exchange or a part of the message (RFC 6895, 3.1: 128 to 255,
/// of which only ANY asks for data; OPT and 0 are never asked for).
fn is_meta(qtype: Rtype) -> bool {
    let number = qtype.to_int();
    qtype == Rtype::OPT || number == 0 || (128..255).contains(&number)
}

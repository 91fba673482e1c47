//! The kernel's route netlink (rtnetlink(7)), one request at a time.
//!
//! The kernel serves a request inside `send`, so its answer lies ready when `send` returns: the
//! socket is a blocking one, and a time limit guards against a kernel that does otherwise. Only the
//! attributes that the agent reads are looked at, so nothing that a newer kernel adds can make a
//! dump unreadable; and no general codec of all of rtnetlink's messages grows the binary.

use netlink_packet_core::{DefaultNla, Emitable, NlasIterator};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use std::os::fd::{AsRawFd, OwnedFd};
use thiserror::Error;

/// The kernel's largest dump messages are 32 KiB (`NLMSG_GOODSIZE` and `netlink_dump`).
const BUFFER_BYTES: usize = 32 * 1024;
/// How long an answer may take; the kernel's is there at once.
const ANSWER_SECONDS: i64 = 10;
/// How often a dump is begun again because something changed meanwhile.
const DUMP_TRIES: usize = 8;

/// Bytes of `struct nlmsghdr` (linux/netlink.h).
const HEADER_BYTES: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_DUMP: u16 = 0x300;

/// Fail if it is there already.
pub(crate) const NLM_F_EXCL: u16 = 0x200;
/// Make it if it is not there.
pub(crate) const NLM_F_CREATE: u16 = 0x400;

/// Why the kernel was not heard, or what it answered.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// The socket could not be made.
    #[error("a route netlink socket can't be opened: {}", .0.desc())]
    Open(Errno),
    /// The socket took no request or gave no answer.
    #[error("the route netlink socket fails: {}", .0.desc())]
    Socket(Errno),
    /// The kernel refused the request.
    #[error("the kernel refuses: {}", .0.desc())]
    Refused(Errno),
    /// The kernel's answer is no netlink message.
    #[error("the kernel's netlink answer is malformed: {0}")]
    Malformed(&'static str),
    /// Things changed during each of several dumps.
    #[error("the kernel's tables never stood still during a dump")]
    Restless,
}

impl NetlinkError {
    /// The errno behind it, 0 where there is none.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Open(errno) | Self::Socket(errno) | Self::Refused(errno) => *errno as i32,
            Self::Malformed(_) | Self::Restless => 0,
        }
    }
}

/// A request: the kernel's fixed structure and attributes behind it.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Request {
    /// A request of an `RTM_*` kind with its fixed structure, a multiple of 4 bytes.
    pub(crate) fn new(kind: u16, fixed: &[u8]) -> Self {
        debug_assert!(fixed.len().is_multiple_of(4));
        Self {
            kind,
            flags: 0,
            body: fixed.to_vec(),
        }
    }

    /// Adds `NLM_F_*` flags.
    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// Adds an attribute.
    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let attribute = DefaultNla::new(kind, value.to_vec());
        let start = self.body.len();
        self.body.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.body[start..]);
        self
    }

    /// Adds an attribute of 32 bits in the machine's order.
    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.attribute(kind, &value.to_ne_bytes())
    }
}

/// A message of a dump.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    /// Its `RTM_*` kind.
    pub(crate) kind: u16,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    /// The fixed structure of `size` bytes and the attributes behind it; `None` if the message is
    /// shorter.
    pub(crate) fn split(&self, size: usize) -> Option<(&'a [u8], Attributes<'a>)> {
        let (fixed, rest) = self.body.split_at_checked(size)?;
        Some((fixed, Attributes(rest)))
    }
}

/// The attributes of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a>(&'a [u8]);

impl Attributes<'_> {
    /// Calls `visit` with the kind and the value of each attribute up to the first malformed one.
    pub(crate) fn each(&self, mut visit: impl FnMut(u16, &[u8])) {
        for attribute in NlasIterator::new(self.0).map_while(Result::ok) {
            visit(attribute.kind(), attribute.value());
        }
    }
}

/// Reads an attribute of 32 bits in the machine's order.
pub(crate) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

/// A route netlink socket.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, NetlinkError> {
        let socket = open_socket(SockFlag::SOCK_CLOEXEC, 0)?;
        let limit = TimeVal::new(ANSWER_SECONDS, 0);
        setsockopt(&socket, sockopt::ReceiveTimeout, &limit).map_err(NetlinkError::Open)?;
        Ok(Self {
            socket,
            sequence: 0,
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// Has the kernel do something.
    pub(crate) fn request(&mut self, request: &Request) -> Result<(), NetlinkError> {
        let sequence = self.send(request, NLM_F_ACK)?;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                let (header, body) = message?;
                if header.sequence == sequence && header.kind == NLMSG_ERROR {
                    return answer(body);
                }
            }
        }
    }

    /// Has the kernel list something; each message goes to `visit`. A dump that was disturbed is
    /// begun again after `reset`.
    pub(crate) fn dump<T>(
        &mut self,
        request: &Request,
        mut visit: impl FnMut(&mut T, Message<'_>),
    ) -> Result<T, NetlinkError>
    where
        T: Default,
    {
        for _ in 0..DUMP_TRIES {
            let mut found = T::default();
            if self.dump_once(request, |message| visit(&mut found, message))? {
                return Ok(found);
            }
        }
        Err(NetlinkError::Restless)
    }

    fn dump_once(
        &mut self,
        request: &Request,
        mut visit: impl FnMut(Message<'_>),
    ) -> Result<bool, NetlinkError> {
        let sequence = self.send(request, NLM_F_DUMP)?;
        let mut undisturbed = true;
        loop {
            let length = self.receive()?;
            for message in messages(&self.buffer[..length]) {
                let (header, body) = message?;
                if header.sequence != sequence {
                    continue;
                }
                undisturbed &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.kind {
                    // A dump that failed on its way says so in its last message.
                    NLMSG_DONE if body.len() >= 4 => return answer(body).map(|()| undisturbed),
                    NLMSG_DONE => return Ok(undisturbed),
                    NLMSG_ERROR => answer(body)?,
                    kind => visit(Message { kind, body }),
                }
            }
        }
    }

    fn send(&mut self, request: &Request, flags: u16) -> Result<u32, NetlinkError> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u32::try_from(HEADER_BYTES + request.body.len())
            .map_err(|_| NetlinkError::Malformed("the request is too long"))?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + request.body.len());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(request.kind.to_ne_bytes());
        bytes.extend((request.flags | flags | NLM_F_REQUEST).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&request.body);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty()).map_err(NetlinkError::Socket)?;
        Ok(self.sequence)
    }

    fn receive(&mut self) -> Result<usize, NetlinkError> {
        loop {
            match recv(
                self.socket.as_raw_fd(),
                &mut self.buffer,
                MsgFlags::MSG_TRUNC,
            ) {
                Ok(length) if length > self.buffer.len() => {
                    return Err(NetlinkError::Malformed("a message is longer than 32 KiB"));
                }
                Ok(length) => return Ok(length),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(NetlinkError::Socket(errno)),
            }
        }
    }
}

/// A route netlink socket that hears the multicast groups of a bit mask (`1 << (RTNLGRP_* - 1)`).
pub(crate) fn open_socket(flags: SockFlag, groups: u32) -> Result<OwnedFd, NetlinkError> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )
    .map_err(NetlinkError::Open)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(NetlinkError::Open)?;
    Ok(socket)
}

struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
}

type Found<'a> = Result<(Header, &'a [u8]), NetlinkError>;

/// Splits what one `recv` gave into messages.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Found<'_>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let found = split_message(bytes);
        let Some((header, body, rest)) = found else {
            bytes = &[];
            return Some(Err(NetlinkError::Malformed("a message is cut short")));
        };
        bytes = rest;
        Some(Ok((header, body)))
    })
}

fn split_message(bytes: &[u8]) -> Option<(Header, &[u8], &[u8])> {
    let (head, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *head;
    let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
    let body = bytes.get(HEADER_BYTES..length)?;
    let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    let header = Header {
        kind: u16::from_ne_bytes([k0, k1]),
        flags: u16::from_ne_bytes([f0, f1]),
        sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
    };
    Some((header, body, rest))
}

/// Reads an `nlmsgerr`: a negative errno, or 0 for done.
fn answer(body: &[u8]) -> Result<(), NetlinkError> {
    let code = body
        .first_chunk::<4>()
        .map(|bytes| i32::from_ne_bytes(*bytes))
        .ok_or(NetlinkError::Malformed("an answer is cut short"))?;
    match code {
        0 => Ok(()),
        code => Err(NetlinkError::Refused(Errno::from_raw(
            code.saturating_neg(),
        ))),
    }
}

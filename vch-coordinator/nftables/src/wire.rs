//! Netlink messages and attributes as bytes (`man 7 netlink`).
//!
//! Lengths are host-endian, numbers in attributes of nf_tables are big-endian.

use netlink_packet_core::{NLA_F_NESTED, NetlinkBuffer, NlasIterator};
use nix::errno::Errno;

use crate::abi::{netlink, nfnetlink};

/// The header in front of the attributes of one message.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    /// The message's type, with the number of its subsystem.
    pub kind: u16,
    /// The flags of the request (`NLM_F_*`).
    pub flags: u16,
    /// The sequence number, which the kernel's answer repeats.
    pub sequence: u32,
    /// The address family (`NFPROTO_*`).
    pub family: u8,
    /// The resource ID: the subsystem of a transaction's begin and end, else 0.
    pub resource: u16,
}

impl Header {
    /// Makes the header of a message of nf_tables (`enum nf_tables_msg_types`).
    pub(crate) fn nf_tables(message: u8, flags: u16, sequence: u32, family: u8) -> Self {
        Self {
            kind: (nfnetlink::SUBSYS_NFTABLES << 8) | u16::from(message),
            flags: flags | netlink::F_REQUEST,
            sequence,
            family,
            resource: 0,
        }
    }

    /// Makes the header of a message of ctnetlink (`enum cntl_msg_types`).
    pub(crate) fn conntrack(message: u8, flags: u16, sequence: u32, family: u8) -> Self {
        Self {
            kind: (nfnetlink::SUBSYS_CTNETLINK << 8) | u16::from(message),
            ..Self::nf_tables(message, flags, sequence, family)
        }
    }

    /// Makes the header of a transaction's begin or end; its resource names the subsystem.
    pub(crate) fn bracket(kind: u16, sequence: u32) -> Self {
        Self {
            kind,
            flags: netlink::F_REQUEST,
            sequence,
            family: 0,
            resource: nfnetlink::SUBSYS_NFTABLES,
        }
    }
}

/// Appends messages to one buffer.
///
/// An attribute's length is 16 bits wide. One that grows longer is remembered, not written
/// wrong: ask [`Writer::is_too_long`] before the bytes are used.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Writer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.too_long
    }

    pub(crate) fn message(&mut self, header: Header, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&header.kind.to_ne_bytes());
        self.bytes.extend_from_slice(&header.flags.to_ne_bytes());
        self.bytes.extend_from_slice(&header.sequence.to_ne_bytes());
        // The sender's port: the kernel fills it in.
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[header.family, 0]);
        self.bytes.extend_from_slice(&header.resource.to_be_bytes());
        body(self);
        match u32::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
    }

    /// Adds a flag to the message that begins at `start`.
    pub(crate) fn add_flag(&mut self, start: usize, flag: u16) {
        if let Some([low, high]) = self.bytes.get_mut(start + 6..start + 8) {
            let flags = u16::from_ne_bytes([*low, *high]) | flag;
            [*low, *high] = flags.to_ne_bytes();
        }
    }

    pub(crate) fn raw(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |w| w.bytes.extend_from_slice(value));
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.raw(kind, &value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, kind: u16, value: u64) {
        self.raw(kind, &value.to_be_bytes());
    }

    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |w| {
            w.bytes.extend_from_slice(value.as_bytes());
            w.bytes.push(0);
        });
    }

    pub(crate) fn nested(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        self.attribute(kind | NLA_F_NESTED, body);
    }

    fn attribute(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        body(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// One received message.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    /// The message's type, with the number of its subsystem.
    pub kind: u16,
    /// The flags of the message (`NLM_F_*`).
    pub flags: u16,
    /// The sequence number of the request that it answers.
    pub sequence: u32,
    /// The netlink port ID of the socket that the message answers, or whose request caused the
    /// notification.
    pub port: u32,
    /// The bytes behind the netlink header.
    pub payload: &'a [u8],
}

/// Returns the messages of one datagram; ends after one that can't be decoded.
pub(crate) fn messages(
    mut datagram: &[u8],
) -> impl Iterator<Item = Result<Received<'_>, DecodeError>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let Ok(buffer) = NetlinkBuffer::new_checked(datagram) else {
            datagram = &[];
            return Some(Err(DecodeError::new(
                "a message",
                "its length leaves its datagram",
            )));
        };
        let length = usize::try_from(buffer.length()).unwrap_or(usize::MAX);
        let payload = datagram
            .get(netlink::HEADER_LENGTH..length)
            .unwrap_or_default();
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(Ok(Received {
            kind: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            port: buffer.port_number(),
            payload,
        }))
    })
}

impl<'a> Received<'a> {
    /// Returns family and attributes of a message of nf_tables about `object`.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the message is too short.
    pub(crate) fn generic(self, object: &'static str) -> Result<(u8, Attributes<'a>), DecodeError> {
        let (header, attributes) = self
            .payload
            .split_at_checked(nfnetlink::GENMSG_LENGTH)
            .ok_or_else(|| DecodeError::new(object, "it is shorter than its header"))?;
        let family = header.first().copied().unwrap_or_default();
        Ok((family, Attributes::new(object, attributes)))
    }

    /// Returns the type of a message of nf_tables; `None` if it belongs to another subsystem.
    pub(crate) fn nf_tables(self) -> Option<u8> {
        let [kind, subsystem] = self.kind.to_le_bytes();
        (u16::from(subsystem) == nfnetlink::SUBSYS_NFTABLES).then_some(kind)
    }

    /// Returns the type of a message of ctnetlink; `None` if it belongs to another subsystem.
    pub(crate) fn conntrack(self) -> Option<u8> {
        let [kind, subsystem] = self.kind.to_le_bytes();
        (u16::from(subsystem) == nfnetlink::SUBSYS_CTNETLINK).then_some(kind)
    }

    /// Returns the refusal in an error message or at the end of a dump; `None` if the request
    /// succeeded.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the message is too short for an error number.
    pub(crate) fn refusal(self) -> Result<Option<Refusal>, DecodeError> {
        let short = || DecodeError::new("an answer", "it is shorter than its error code");
        let (code, rest) = self.payload.split_first_chunk().ok_or_else(short)?;
        let code = i32::from_ne_bytes(*code);
        if code == 0 {
            return Ok(None);
        }
        let mut reason = None;
        if self.flags & netlink::F_ACK_TLVS != 0 && self.flags & netlink::F_CAPPED != 0 {
            let attributes = rest.get(netlink::HEADER_LENGTH..).unwrap_or_default();
            let attributes = Attributes::new("an answer", attributes);
            reason = attributes
                .find(netlink::ERROR_MESSAGE)?
                .map(|text| String::from_utf8_lossy(text.text()).into_owned());
        }
        Ok(Some(Refusal {
            errno: Errno::from_raw(code.saturating_neg()),
            reason,
        }))
    }
}

/// The kernel's refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The kernel's error code.
    pub errno: Errno,
    /// The kernel's message (`NLMSGERR_ATTR_MSG`), if it gave one.
    pub reason: Option<String>,
}

/// The error for a message of the kernel that does not follow the documented format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the kernel sent {object} that can't be read: {problem}")]
pub struct DecodeError {
    /// The object that was being decoded, such as "a rule".
    pub object: &'static str,
    /// The problem, as an English phrase such as "it has no name".
    pub problem: &'static str,
}

impl DecodeError {
    pub(crate) fn new(object: &'static str, problem: &'static str) -> Self {
        Self { object, problem }
    }
}

/// One level of attributes, read from left to right.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a> {
    object: &'static str,
    bytes: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(object: &'static str, bytes: &'a [u8]) -> Self {
        Self { object, bytes }
    }

    pub(crate) fn error(&self, problem: &'static str) -> DecodeError {
        DecodeError::new(self.object, problem)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Result<Attribute<'a>, DecodeError>> {
        NlasIterator::new(self.bytes).map(move |attribute| {
            let attribute =
                attribute.map_err(|_| self.error("an attribute's length leaves its message"))?;
            let kind = attribute.kind();
            let length = usize::from(attribute.length());
            let value = attribute.into_inner().get(4..length).unwrap_or_default();
            Ok(Attribute {
                object: self.object,
                kind,
                value,
            })
        })
    }

    /// Returns the last attribute of `kind`, as the kernel's own parser does.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if an attribute's length is not valid.
    pub(crate) fn find(self, kind: u16) -> Result<Option<Attribute<'a>>, DecodeError> {
        let mut found = None;
        for attribute in self.iter() {
            let attribute = attribute?;
            if attribute.kind == kind {
                found = Some(attribute);
            }
        }
        Ok(found)
    }

    /// Returns the last attribute of `kind`.
    ///
    /// # Errors
    /// Returns [`DecodeError`] with `problem` if there is no such attribute, or if an attribute's
    /// length is not valid.
    pub(crate) fn require(
        self,
        kind: u16,
        problem: &'static str,
    ) -> Result<Attribute<'a>, DecodeError> {
        self.find(kind)?.ok_or_else(|| self.error(problem))
    }
}

/// One attribute: its kind without flags, and its value without padding.
#[derive(Clone, Copy)]
pub(crate) struct Attribute<'a> {
    object: &'static str,
    /// The attribute's type, without flags.
    pub kind: u16,
    /// The attribute's bytes, without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    pub(crate) fn nested(self) -> Attributes<'a> {
        Attributes::new(self.object, self.value)
    }

    /// Returns the value as a 32-bit number.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the value has another length.
    pub(crate) fn u32(self) -> Result<u32, DecodeError> {
        let bytes = self
            .value
            .try_into()
            .map_err(|_| DecodeError::new(self.object, "a 32-bit number has another length"))?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// Returns the value as a 64-bit number.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the value has another length.
    pub(crate) fn u64(self) -> Result<u64, DecodeError> {
        let bytes = self
            .value
            .try_into()
            .map_err(|_| DecodeError::new(self.object, "a 64-bit number has another length"))?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// Returns the value as text up to its NUL, if it has one.
    pub(crate) fn text(self) -> &'a [u8] {
        let end = self.value.iter().position(|byte| *byte == 0);
        &self.value[..end.unwrap_or(self.value.len())]
    }
}

#[cfg(test)]
mod tests;

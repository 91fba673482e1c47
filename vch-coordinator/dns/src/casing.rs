//! Mixes the case of the letters in a forwarded query at random (draft-vixie-dnsext-dns0x20). An
//! answer that does not repeat them was not sent by the queried server: a forger has to guess them
//! in addition to port and ID.

/// Bytes of a question's header (RFC 1035, 4.1.1), behind which its name stands.
const HEADER: usize = 12;
/// The longest name in octets (RFC 1035, 2.3.4), a bit for each.
const BITS: usize = 256;
/// The bit in which ASCII's cases differ.
const CASE: u8 = 0x20;

/// The case of the letters in a query to an upstream server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Casing {
    /// The client's own case. The answer's case is not checked.
    AsAsked,
    /// The client's case, changed at each letter whose bit is set. The answer must repeat it.
    Mixed([u8; BITS / 8]),
}

impl Casing {
    /// Returns a random case; the client's own if the kernel gives no random bytes.
    pub(crate) fn random() -> Self {
        let mut bits = [0; BITS / 8];
        match getrandom::fill(&mut bits) {
            Ok(()) => Self::Mixed(bits),
            Err(_) => Self::AsAsked,
        }
    }

    /// Changes the case of the letters in a question.
    pub(crate) fn apply(&self, question: &mut [u8]) {
        let Self::Mixed(bits) = self else {
            return;
        };
        for (at, octet) in name_mut(question).iter_mut().enumerate() {
            let bit = bits
                .get(at / 8)
                .is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            // A label's length is below 64, and so no letter.
            if bit && octet.is_ascii_alphabetic() {
                *octet ^= CASE;
            }
        }
    }

    /// Returns whether an answer repeats the case of the letters in its question.
    pub(crate) fn is_repeated(&self, question: &[u8], answer: &[u8]) -> bool {
        *self == Self::AsAsked || name(question) == same_length(question, answer)
    }
}

/// Overwrites the name in an answer with the question's, which differs in case only, so that the
/// client finds its own.
pub(crate) fn restore(question: &[u8], answer: &mut [u8]) {
    let name = name(question);
    if let Some(there) = answer.get_mut(HEADER..HEADER + name.len())
        && there.eq_ignore_ascii_case(name)
    {
        there.copy_from_slice(name);
    }
}

fn same_length<'a>(question: &[u8], answer: &'a [u8]) -> &'a [u8] {
    let end = HEADER + name(question).len();
    answer.get(HEADER..end).unwrap_or_default()
}

fn name(message: &[u8]) -> &[u8] {
    message
        .get(HEADER..HEADER + length(message))
        .unwrap_or_default()
}

fn name_mut(message: &mut [u8]) -> &mut [u8] {
    let end = HEADER + length(message);
    message.get_mut(HEADER..end).unwrap_or_default()
}

/// Returns the length in octets of the name in a question of this server, which is not compressed,
/// with its final zero.
fn length(message: &[u8]) -> usize {
    let mut length = 0;
    while let Some(&label) = message.get(HEADER + length) {
        length += 1 + usize::from(label);
        if label == 0 {
            return length.min(BITS);
        }
    }
    0
}

#[cfg(test)]
mod tests;

//! Splits HTTP/1.1 into messages (RFC 9112) as it passes by.

/// The sender of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Requests.
    Client,
    /// Answers.
    Daemon,
}

/// A part of a message that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Request {
        method: String,
        path: String,
    },
    Status(u16),
    /// A part of an answer's body, or of a stream that it became.
    Body(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParserState {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    /// The line's end behind a chunk.
    ChunkEnd,
    /// Lines behind the last chunk, up to an empty one.
    Trailer,
    /// Nothing is a message any more: until the connection's end, or a stream after an upgrade.
    Stream,
}

/// The messages in the bytes of one direction, which may arrive in any pieces.
#[derive(Debug)]
pub(super) struct Messages {
    side: Side,
    state: ParserState,
    bytes: Vec<u8>,
}

impl Messages {
    pub(super) fn of(side: Side) -> Self {
        Self {
            side,
            state: ParserState::Head,
            bytes: Vec::new(),
        }
    }

    /// Takes bytes and returns what is complete with them; `to_head` says whether the next answer is one to HEAD.
    pub(super) fn feed(&mut self, bytes: &[u8], to_head: impl Fn() -> bool) -> Vec<Message> {
        self.bytes.extend_from_slice(bytes);
        let mut found = Vec::new();
        while self.step(&mut found, &to_head) {}
        found
    }

    /// Takes one step of parsing; returns whether there may be more to do.
    fn step(&mut self, found: &mut Vec<Message>, to_head: &impl Fn() -> bool) -> bool {
        match self.state {
            ParserState::Head => {
                let Some(head) = self.taken_through(b"\r\n\r\n") else {
                    return false;
                };
                self.head(&head, found, to_head);
            }
            ParserState::Length(left) => {
                let taken = self.body(left, found);
                if taken == 0 && left > 0 {
                    return false;
                }
                self.state = match left - taken {
                    0 => ParserState::Head,
                    left => ParserState::Length(left),
                };
            }
            ParserState::ChunkSize => {
                let Some(line) = self.taken_through(b"\r\n") else {
                    return false;
                };
                let digits = line.split([';', '\r']).next().unwrap_or_default().trim();
                self.state = match usize::from_str_radix(digits, 16) {
                    Ok(0) => ParserState::Trailer,
                    Ok(size) => ParserState::Chunk(size),
                    Err(_) => ParserState::Stream,
                };
            }
            ParserState::Chunk(left) => {
                let taken = self.body(left, found);
                if taken == 0 {
                    return false;
                }
                self.state = match left - taken {
                    0 => ParserState::ChunkEnd,
                    left => ParserState::Chunk(left),
                };
            }
            ParserState::ChunkEnd => {
                if self.taken_through(b"\r\n").is_none() {
                    return false;
                }
                self.state = ParserState::ChunkSize;
            }
            ParserState::Trailer => match self.taken_through(b"\r\n") {
                None => return false,
                Some(line) if line == "\r\n" => self.state = ParserState::Head,
                Some(_) => {}
            },
            ParserState::Stream => {
                self.body(usize::MAX, found);
                return false;
            }
        }
        true
    }

    fn head(&mut self, head: &str, found: &mut Vec<Message>, to_head: &impl Fn() -> bool) {
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let fields: Vec<(String, &str)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let field = |wanted: &str| {
            let mut fields = fields.iter();
            fields.find_map(|(name, value)| (name == wanted).then_some(*value))
        };
        let length = field("content-length").and_then(|value| value.parse().ok());
        let chunked = field("transfer-encoding").is_some_and(|value| value.ends_with("chunked"));
        let framed = match length {
            _ if chunked => Some(ParserState::ChunkSize),
            Some(0) => Some(ParserState::Head),
            Some(length) => Some(ParserState::Length(length)),
            None => None,
        };
        if self.side == Side::Client {
            let method = first.next().unwrap_or_default().to_owned();
            let path = first.next().unwrap_or_default().to_owned();
            found.push(Message::Request { method, path });
            let upgraded = field("upgrade").map(|_| ParserState::Stream);
            self.state = upgraded.or(framed).unwrap_or(ParserState::Head);
            return;
        }
        let status = first.nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        let bare = to_head() || matches!(status, 100 | 204 | 304);
        if status != 100 {
            found.push(Message::Status(status));
        }
        self.state = match framed {
            _ if bare => ParserState::Head,
            _ if status == 101 => ParserState::Stream,
            framed => framed.unwrap_or(ParserState::Stream),
        };
    }

    fn taken_through(&mut self, end: &[u8]) -> Option<String> {
        let at = self.bytes.windows(end.len()).position(|part| part == end)?;
        let taken: Vec<u8> = self.bytes.drain(..at + end.len()).collect();
        Some(String::from_utf8_lossy(&taken).into_owned())
    }

    /// Takes at most `most` bytes of a body; those of a request are dropped.
    fn body(&mut self, most: usize, found: &mut Vec<Message>) -> usize {
        let taken: Vec<u8> = self.bytes.drain(..most.min(self.bytes.len())).collect();
        let count = taken.len();
        if self.side == Side::Daemon && count > 0 {
            found.push(Message::Body(taken));
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(side: Side, text: &str, to_head: bool, piece: usize) -> Vec<Message> {
        let mut messages = Messages::of(side);
        let pieces = text.as_bytes().chunks(piece);
        let mut found: Vec<Message> = Vec::new();
        for message in pieces.flat_map(|piece| messages.feed(piece, || to_head)) {
            match (found.last_mut(), message) {
                (Some(Message::Body(all)), Message::Body(more)) => all.extend(more),
                (_, message) => found.push(message),
            }
        }
        found
    }

    #[test]
    fn messages_are_found_in_whatever_pieces_they_come() {
        let requests =
            "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /b?c=d HTTP/1.1\r\nhost: x\r\n\r\n";
        let answers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n\
                       HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno";
        for piece in [1, 2, 7, 1000] {
            let request = |method: &str, path: &str| Message::Request {
                method: method.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(
                fed(Side::Client, requests, false, piece),
                [request("POST", "/a"), request("GET", "/b?c=d")]
            );
            assert_eq!(
                fed(Side::Daemon, answers, false, piece),
                [
                    Message::Status(200),
                    Message::Body(b"abcde".to_vec()),
                    Message::Status(404),
                    Message::Body(b"no".to_vec()),
                ]
            );
        }
    }

    #[test]
    fn answers_without_a_body_and_streams_are_told_apart() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        let found = fed(Side::Daemon, head, true, 5);
        assert_eq!(found, [Message::Status(200), Message::Status(200)]);
        let upgraded = "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n\r\n\r\nraw";
        let found = fed(Side::Daemon, upgraded, false, 4);
        let raw = Message::Body(b"\r\n\r\nraw".to_vec());
        assert_eq!(found, [Message::Status(101), raw]);
    }
}

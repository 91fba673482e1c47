//! Checks that a text is one JSON value (RFC 8259), with the error messages of Go's
//! `encoding/json`, which dockerd passes on to its clients.
//!
//! The check is iterative and limits nesting and the number of values, so that parsing the text afterwards
//! takes memory in proportion to its length.

use thiserror::Error;

/// The maximum depth of nesting: no body of the API has more than ten levels, and serde_json stops
/// at 128.
const MAX_DEPTH: usize = 100;
/// The maximum number of values of a text: a container with every list at its limit has some
/// thousands. A parsed value takes about 32 times the bytes of its shortest text.
const MAX_VALUES: usize = 65_536;

/// Why a text is not one JSON value. The messages are those of Go, as dockerd's clients know them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SyntaxError {
    /// The text has only white space.
    #[error("invalid JSON: got EOF while reading request body")]
    Empty,
    /// The text ends within a value.
    #[error("invalid JSON: unexpected EOF")]
    Cut,
    /// A byte is not allowed at its position.
    #[error("invalid JSON: invalid character {} {context}", quote(*.byte))]
    Byte {
        /// The byte, which the message shows as a character.
        byte: u8,
        /// What the parser expected at this position, in Go's words.
        context: &'static str,
    },
    /// Lists and objects are nested more than 100 levels deep.
    #[error("invalid JSON: exceeded max depth")]
    Depth,
    /// The text has more than 65,536 values.
    #[error("invalid JSON: more than {MAX_VALUES} values: give fewer")]
    Values,
    /// Further text follows the first value.
    #[error("unexpected content after JSON")]
    Trailing,
}

/// Returns a byte as Go's `quoteChar` shows it.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

const VALUE: &str = "looking for beginning of value";
const KEY: &str = "looking for beginning of object key string";

/// Checks that a text is one JSON value and nothing else, with at most 100 levels of lists and objects and 65,536
/// values. Called before a request's body is parsed.
///
/// # Errors
/// Returns the first fault of the text: it is empty, ends too early, has a byte that does not fit, has further text
/// behind the value, or has more levels or values than permitted.
pub fn check(text: &[u8]) -> Result<(), SyntaxError> {
    let mut scanner = Scanner {
        text,
        at: 0,
        values: 0,
    };
    if scanner.peek().is_none() {
        return Err(SyntaxError::Empty);
    }
    scanner.value()?;
    match scanner.peek() {
        None => Ok(()),
        Some(_) => Err(SyntaxError::Trailing),
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    values: usize,
}

/// The list or object that a value is in.
#[derive(Clone, Copy)]
enum Within {
    Array,
    Object,
}

impl Scanner<'_> {
    /// Returns the next byte that is not white space, without consuming it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    /// Returns the next byte that is not white space, without consuming it.
    ///
    /// # Errors
    /// Returns [`SyntaxError::Cut`] at the end of the text.
    fn need(&mut self) -> Result<u8, SyntaxError> {
        self.peek().ok_or(SyntaxError::Cut)
    }

    /// Consumes and returns the next byte.
    ///
    /// # Errors
    /// Returns [`SyntaxError::Cut`] at the end of the text.
    fn take(&mut self) -> Result<u8, SyntaxError> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        byte.ok_or(SyntaxError::Cut)
    }

    fn value(&mut self) -> Result<(), SyntaxError> {
        let mut open: Vec<Within> = Vec::new();
        loop {
            self.values += 1;
            if self.values > MAX_VALUES {
                return Err(SyntaxError::Values);
            }
            let opened = self.begin(&mut open)?;
            if opened {
                continue;
            }
            loop {
                let Some(within) = open.last().copied() else {
                    return Ok(());
                };
                let byte = self.need()?;
                self.at += 1;
                match (within, byte) {
                    (Within::Array, b',') => break,
                    (Within::Object, b',') => {
                        self.key()?;
                        break;
                    }
                    (Within::Array, b']') | (Within::Object, b'}') => {
                        open.pop();
                    }
                    (Within::Array, byte) => {
                        let context = "after array element";
                        return Err(SyntaxError::Byte { byte, context });
                    }
                    (Within::Object, byte) => {
                        let context = "after object key:value pair";
                        return Err(SyntaxError::Byte { byte, context });
                    }
                }
            }
        }
    }

    /// Reads a scalar, an empty list or object, or the beginning of a list or object. Returns
    /// whether it began one, whose first value follows.
    ///
    /// # Errors
    /// Returns [`SyntaxError`] if no value begins here.
    fn begin(&mut self, open: &mut Vec<Within>) -> Result<bool, SyntaxError> {
        let byte = self.need()?;
        self.at += 1;
        match byte {
            b'[' | b'{' if open.len() >= MAX_DEPTH => Err(SyntaxError::Depth),
            b'[' => {
                if self.need()? == b']' {
                    self.at += 1;
                    return Ok(false);
                }
                open.push(Within::Array);
                Ok(true)
            }
            b'{' => {
                if self.need()? == b'}' {
                    self.at += 1;
                    return Ok(false);
                }
                open.push(Within::Object);
                self.key()?;
                Ok(true)
            }
            b'"' => self.string().map(|()| false),
            b't' => self.literal(b"rue", "true").map(|()| false),
            b'f' => self.literal(b"alse", "false").map(|()| false),
            b'n' => self.literal(b"ull", "null").map(|()| false),
            b'-' | b'0'..=b'9' => self.number(byte).map(|()| false),
            byte => Err(SyntaxError::Byte {
                byte,
                context: VALUE,
            }),
        }
    }

    fn key(&mut self) -> Result<(), SyntaxError> {
        let byte = self.need()?;
        self.at += 1;
        if byte != b'"' {
            return Err(SyntaxError::Byte { byte, context: KEY });
        }
        self.string()?;
        let byte = self.need()?;
        self.at += 1;
        if byte != b':' {
            let context = "after object key";
            return Err(SyntaxError::Byte { byte, context });
        }
        Ok(())
    }

    /// Reads the rest of a string after its first quote.
    ///
    /// # Errors
    /// Returns [`SyntaxError`] if the string is not valid.
    fn string(&mut self) -> Result<(), SyntaxError> {
        loop {
            match self.take()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ 0..0x20 => {
                    let context = "in string literal";
                    return Err(SyntaxError::Byte { byte, context });
                }
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.take()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.take()?;
                    if !byte.is_ascii_hexdigit() {
                        let context = "in \\u hexadecimal character escape";
                        return Err(SyntaxError::Byte { byte, context });
                    }
                }
                Ok(())
            }
            byte => {
                let context = "in string escape code";
                Err(SyntaxError::Byte { byte, context })
            }
        }
    }

    fn literal(&mut self, rest: &[u8], name: &'static str) -> Result<(), SyntaxError> {
        for expected in rest {
            let byte = self.take()?;
            if byte != *expected {
                let context = match (name, expected) {
                    ("true", b'r') => "in literal true (expecting 'r')",
                    ("true", b'u') => "in literal true (expecting 'u')",
                    ("true", _) => "in literal true (expecting 'e')",
                    ("false", b'a') => "in literal false (expecting 'a')",
                    ("false", b'l') => "in literal false (expecting 'l')",
                    ("false", b's') => "in literal false (expecting 's')",
                    ("false", _) => "in literal false (expecting 'e')",
                    (_, b'u') => "in literal null (expecting 'u')",
                    (_, _) => "in literal null (expecting 'l')",
                };
                return Err(SyntaxError::Byte { byte, context });
            }
        }
        Ok(())
    }

    /// Reads the rest of a number after its first byte. The caller checks what follows.
    ///
    /// # Errors
    /// Returns [`SyntaxError`] if the number is not valid.
    fn number(&mut self, first: u8) -> Result<(), SyntaxError> {
        let first = match first {
            b'-' => {
                let byte = self.take()?;
                if !byte.is_ascii_digit() {
                    let context = "in numeric literal";
                    return Err(SyntaxError::Byte { byte, context });
                }
                byte
            }
            digit => digit,
        };
        if first != b'0' {
            self.digits();
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digit("after decimal point in numeric literal")?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digit("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digit(&mut self, context: &'static str) -> Result<(), SyntaxError> {
        let byte = self.take()?;
        if !byte.is_ascii_digit() {
            return Err(SyntaxError::Byte { byte, context });
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests;

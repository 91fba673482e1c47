//! The keys by which a client detaches from a container: Docker's `--detach-keys`.

use docker_model::DockerError;

/// ctrl-p, ctrl-q.
const DEFAULT: &[u8] = &[16, 17];
/// The maximum number of keys.
const MOST: usize = 32;

/// The keys that detach a client from a container or exec, and how many of them the client has typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    keys: Vec<u8>,
    /// The number of keys that have arrived and are held back.
    seen: usize,
}

impl Keys {
    /// Parses detach keys, such as `ctrl-p,ctrl-q`, which is also the default for `None` and an empty text. Without
    /// a terminal a client cannot detach by keys; the text must be valid nevertheless.
    ///
    /// # Errors
    /// Returns 400 if the text is not valid.
    pub fn of(written: Option<&str>, terminal: bool) -> Result<Self, DockerError> {
        let keys = match written {
            None | Some("") => DEFAULT.to_vec(),
            Some(text) => {
                let keys: Option<Vec<u8>> = text.split(',').map(key).collect();
                let keys = keys.filter(|keys| keys.len() <= MOST);
                keys.ok_or_else(|| {
                    let shown: String = text.chars().take(64).collect();
                    DockerError::invalid(format!(
                        "Invalid detach keys ({shown}) provided: write letters, or ctrl- and one of a-z @ [ \\ ] ^ _, with commas between"
                    ))
                })?
            }
        };
        if !terminal {
            return Ok(Self::default());
        }
        Ok(Self { keys, seen: 0 })
    }

    /// Returns the part of a client's input that the process gets, and whether the client detaches. Keys at the end
    /// of the input that may begin the sequence are held back until the next call.
    pub fn pass(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        if self.keys.is_empty() {
            return (input.to_vec(), false);
        }
        let mut passed = Vec::new();
        for byte in input {
            if self.keys[self.seen] == *byte {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return (passed, true);
                }
                continue;
            }
            passed.extend_from_slice(&self.keys[..self.seen]);
            self.seen = usize::from(self.keys[0] == *byte && self.keys.len() > 1);
            if self.seen == 0 {
                passed.push(*byte);
            }
        }
        (passed, false)
    }
}

/// Parses a key: a letter, `DEL`, or `ctrl-` and one of `a` to `z`, `@`, `[`, `\`, `]`, `^`, `_`;
/// `None` if it is not valid.
fn key(text: &str) -> Option<u8> {
    let single = |text: &str| match text.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    };
    if text == "DEL" {
        return Some(127);
    }
    let Some(letter) = text.strip_prefix("ctrl-") else {
        return single(text);
    };
    match single(letter)? {
        byte @ b'a'..=b'z' => Some(byte - b'a' + 1),
        byte @ (b'@' | b'['..=b'_') => Some(byte - b'@'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn a_client_leaves_by_its_keys_and_types_everything_else() {
        let mut keys = Keys::of(None, true).unwrap();
        assert_eq!(keys.pass(b"ls\n"), (b"ls\n".to_vec(), false));
        assert_eq!(keys.pass(&[16]), (vec![], false), "kept back");
        assert_eq!(keys.pass(b"x"), (vec![16, b'x'], false), "it was meant so");
        assert_eq!(keys.pass(&[16, 16, 17]), (vec![16], true));
        let mut own = Keys::of(Some("ctrl-a,d"), true).unwrap();
        assert_eq!(own.pass(b"d\x01d"), (b"d".to_vec(), true));
        assert_eq!(Keys::of(Some(""), true), Keys::of(None, true));
        for bad in ["ctrl-?", "ctrl-", "ctrl-a,", "ctrl-A,b"] {
            let refused = Keys::of(Some(bad), false).map_err(|error| error.status.as_u16());
            assert_eq!(refused, Err(400), "{bad}");
        }
        let mut none = Keys::of(Some("ctrl-a"), false).unwrap();
        assert_eq!(none.pass(&[1, 16, 17]), (vec![1, 16, 17], false));
        assert!(Keys::of(Some("ctrl-1"), true).is_err());
        assert!(Keys::of(Some("enter"), true).is_err());
    }
}

//! Names that users give to networks and containers, and paths on the VCH that users give.

use protocol::text;
use std::path::Path;

/// The maximum length of the name of a network or a container, in bytes.
pub const MAX_NAME: usize = 128;

text!(
    /// A network's name, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, at most 128 characters.
    NetworkName,
    "network name",
    |text: &str| is_object_name(text, 1),
    "begin with a letter or digit and go on with letters, digits, `_`, `.` and `-`, 128 characters at most"
);

text!(
    /// A container's name, by Docker's rule: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`, at most 128 characters.
    ContainerName,
    "container name",
    |text: &str| is_object_name(text, 2),
    "use at least two characters: begin with a letter or digit and go on with letters, digits, `_`, `.` and `-`, 128 characters at most"
);

text!(
    /// The absolute path of a Unix socket on the VCH: at most 107 bytes (`sun_path` of linux/un.h, less the closing
    /// zero), without empty parts, `.` and `..`. The socket need not exist.
    SocketPath,
    "socket path",
    |text: &str| is_path(text, 107),
    "give an absolute path of at most 107 bytes without empty parts, `.` and `..`"
);

text!(
    /// The absolute path of a network namespace's file on the VCH, as in `/run/netns/NAME`: at most 255 bytes, without
    /// empty parts, `.` and `..`. The file need not exist.
    NamespacePath,
    "network namespace path",
    |text: &str| is_path(text, 255),
    "give an absolute path of at most 255 bytes without empty parts, `.` and `..`, as in /run/netns/NAME"
);

impl AsRef<Path> for SocketPath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl AsRef<Path> for NamespacePath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

fn is_object_name(text: &str, shortest: usize) -> bool {
    (shortest..=MAX_NAME).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

fn is_path(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.len() > 1
        && text.starts_with('/')
        && !text.chars().any(char::is_control)
        // One file, one text: two spellings of a path would be two channels.
        && text
            .split('/')
            .skip(1)
            .all(|part| !matches!(part, "" | "." | ".."))
}

//! Writes the agent's part of the hosts(5) file, and keeps all other lines.

use super::{Dir, DirError, write as write_file};
use protocol::spec::HostEntry;
use std::fmt::Write;

/// How the line begins that stands above the agent's own.
const BEGIN: &str = "# Written by tether-net";
/// That line.
const BEGIN_LINE: &str = "# Written by tether-net, down to its last line; other lines are kept.\n";
/// The line below them. A file of an older agent has none: all of it is the agent's.
const END_LINE: &str = "# The last line of tether-net.\n";

/// Returns the text of the agent's part of a hosts(5) file: a comment line that marks its beginning, localhost and the
/// usual IPv6 names, `entries`, and a comment line that marks its end. Successive entries with the same address are
/// joined on one line.
pub fn hosts(entries: &[HostEntry]) -> String {
    let mut text = BEGIN_LINE.to_owned();
    text.push_str("127.0.0.1\tlocalhost\n");
    text.push_str("::1\tlocalhost ip6-localhost ip6-loopback\n");
    text.push_str("fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n");
    text.push_str("ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
    for line in entries.chunk_by(|one, other| one.address == other.address) {
        for (index, entry) in line.iter().enumerate() {
            // Writing into a String does not fail.
            let _ = match index {
                0 => write!(text, "{}\t{}", entry.address, entry.name),
                _ => write!(text, " {}", entry.name),
            };
        }
        text.push('\n');
    }
    text.push_str(END_LINE);
    text
}

/// Makes the agent's part of the file as the entries say. Returns that part; `None` if the spec has no hosts and the
/// file is not the agent's.
///
/// # Errors
/// Returns [`DirError`] if the file can't be read or replaced.
pub(super) fn write(
    etc: &Dir,
    entries: &[HostEntry],
    last: Option<&str>,
) -> Result<Option<String>, DirError> {
    let present = etc.read("hosts")?;
    let present = present.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    // An empty one is what a power failure leaves of it.
    let is_ours = last.is_some()
        || present
            .as_deref()
            .is_none_or(|text| text.is_empty() || has_own(text));
    if entries.is_empty() && !is_ours {
        return Ok(None);
    }
    let own = hosts(entries);
    let others = others(present.as_deref().unwrap_or_default(), last);
    write_file(etc, "hosts", &format!("{own}{others}"))?;
    Ok(Some(own))
}

fn has_own(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(BEGIN))
}

/// Returns the lines that are not the agent's: those outside of its part, and those in it that it
/// did not write. A file without its part is the image's, unless the agent wrote it once.
fn others(present: &str, last: Option<&str>) -> String {
    if last.is_none() && !has_own(present) {
        return String::new();
    }
    let own = |line: &str| last.is_none_or(|last| last.lines().any(|own| own == line));
    let mut others = String::new();
    // What the agent wrote may have been taken out of its part.
    let mut within = !has_own(present);
    for line in present.lines() {
        if line.starts_with(BEGIN) {
            within = true;
        } else if line == END_LINE.trim_end() {
            within = false;
        } else if !(within && own(line)) {
            others.push_str(line);
            others.push('\n');
        }
    }
    others
}

//! The shim's own messages. Its standard error is the file `shim.log` in the container's directory.

use std::{
    fmt,
    io::{self, Write},
};

/// Writes a line to standard error. Errors such as a full disk are ignored; `eprintln!` would
/// panic.
pub fn log(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "vch-shim: {words}");
}

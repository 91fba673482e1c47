//! The shim's own messages, on its standard error: `shim.log` in the container's directory.

use std::{
    fmt,
    io::{self, Write},
};

/// Writes a line to the log. A full disk is ignored, at which `eprintln!` would panic.
pub fn log(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "vch-shim: {words}");
}

//! The shim's own words, on its standard error: `shim.log` in the container's directory.

use std::{
    fmt,
    io::{self, Write},
};

/// Writes a line to the log, unless its disk is full; `eprintln!` would panic then.
pub fn log(words: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "vch-shim: {words}");
}

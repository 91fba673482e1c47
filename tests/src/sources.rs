//! The project's own sources, for tests that read them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the Rust sources below a directory, in order.
///
/// # Errors
/// Returns the error of a directory that can't be read.
pub fn rust(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(rust(&path)?);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

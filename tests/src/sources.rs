//! The project's own source files, for tests that check the project's conventions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns the paths of the Rust source files (`*.rs`) below a directory, at any depth, sorted. Directories with the
/// name `target` are left out.
///
/// # Errors
/// Returns the error of the system if a directory cannot be read.
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

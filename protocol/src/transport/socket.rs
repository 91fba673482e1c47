//! Unix sockets whose file shows that they can be connected to.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Binds a non-blocking, listening Unix socket at a path and gives its file the access `mode`. A socket file that is
/// already there is replaced.
///
/// bind(2) creates the file, but connections are refused until listen(2). Therefore the socket is first bound under
/// another name, gets its mode and listens, and is then renamed to `path`. A client that finds the file is never
/// refused, and never finds it with a wider mode.
///
/// # Errors
/// Returns the error of unlink(2), bind(2), listen(2), chmod(2) or rename(2). The path is then unchanged.
pub fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let mut unnamed = path.as_os_str().to_owned();
    unnamed.push("~");
    let unnamed = PathBuf::from(unnamed);
    // Left by a process that was killed just here.
    match fs::remove_file(&unnamed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unnamed)?;
    let named = fs::set_permissions(&unnamed, Permissions::from_mode(mode))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| fs::rename(&unnamed, path));
    if let Err(error) = named {
        // Its error says more than that of the removal would.
        let _gone = fs::remove_file(&unnamed);
        return Err(error);
    }
    Ok(listener)
}

#[cfg(test)]
mod tests;

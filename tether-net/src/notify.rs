//! Tells the process that started the agent how far it is, by sd_notify(3) on the socket that `NOTIFY_SOCKET` names.
//!
//! `STATUS=held` while it waits to begin (`--hold`); `READY=1` once the network is as the spec says; until then `STATUS=` with what is not.

use protocol::message::InterfaceState;
use protocol::session::agent::Applied;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of the process that wants to be told, if there is one.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    ready: bool,
}

impl Notify {
    /// Opens the socket that the environment names; tells no process if it names none, or one that
    /// does not exist.
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connected(&name));
        Self {
            socket,
            ready: false,
        }
    }

    /// Tells that the agent is held and ready to begin.
    pub fn tell_held(&self) {
        self.send("STATUS=held");
    }

    /// Tells the outcome of a spec.
    pub fn tell(&mut self, applied: &Applied) {
        if let Some(message) = message(applied, self.ready) {
            self.ready |= message.starts_with("READY");
            self.send(&message);
        }
    }

    fn send(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // The process that started the agent may have gone away.
            let _ = socket.send(message.as_bytes());
        }
    }
}

fn connected(name: &OsStr) -> Option<UnixDatagram> {
    let address = match name.as_bytes().split_first()? {
        (b'@', rest) => SocketAddr::from_abstract_name(rest).ok()?,
        _ => SocketAddr::from_pathname(name).ok()?,
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.connect_addr(&address).ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}

fn message(applied: &Applied, ready: bool) -> Option<String> {
    let mut interfaces = applied.interfaces.iter();
    match interfaces.find(|interface| interface.state != InterfaceState::Up) {
        None if ready => None,
        None => Some(String::from("READY=1\nSTATUS=the network is up")),
        Some(interface) => {
            let what = match &interface.state {
                InterfaceState::Failed(failure) => failure.action.as_str(),
                InterfaceState::Waiting => "its NIC is not there",
                _ => "it can't be as it is wanted",
            };
            Some(["STATUS=", interface.name.as_str(), ": ", what].concat())
        }
    }
}

#[cfg(test)]
mod tests;

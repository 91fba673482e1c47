//! Tells the process that started the agent about its progress, by sd_notify(3) on the socket that `NOTIFY_SOCKET`
//! names.
//!
//! It sends `STATUS=held` while the agent waits to begin (`--hold`), and `READY=1` once the network agrees with the
//! spec. Until then, `STATUS=` names the first interface that does not agree.

use protocol::message::InterfaceState;
use protocol::session::agent::Applied;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// The socket of the process that wants to know about the agent's progress. It sends nothing if no process does.
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<UnixDatagram>,
    ready: bool,
}

impl Notify {
    /// Connects to the socket that `NOTIFY_SOCKET` names. If the variable is not set, or the socket does not exist,
    /// nothing is sent.
    pub fn from_environment() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|name| connected(&name));
        Self {
            socket,
            ready: false,
        }
    }

    /// Reports that the agent is ready and waits to begin.
    pub fn tell_held(&self) {
        self.send("STATUS=held");
    }

    /// Reports the state of the network after a spec was applied.
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

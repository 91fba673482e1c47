//! The addresses of channels, parsed from text and written as text.

use ::vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// `sun_path` of unix(7) has 108 bytes with the closing zero.
const MAX_SOCKET_PATH: usize = 107;
const MAX_PATH: usize = 4095;
const MAX_PORT_NAME: usize = 64;

/// A vsock port that only root can bind: 1 to 1023 (`LAST_RESERVED_PORT` of the kernel's
/// af_vsock.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PrivilegedPort(u32);

impl PrivilegedPort {
    /// Returns the port number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for PrivilegedPort {
    type Error = PrivilegedPortError;

    fn try_from(port: u32) -> Result<Self, PrivilegedPortError> {
        if (1..=1023).contains(&port) {
            return Ok(Self(port));
        }
        Err(PrivilegedPortError(port))
    }
}

impl From<PrivilegedPort> for u32 {
    fn from(port: PrivilegedPort) -> Self {
        port.0
    }
}

impl fmt::Display for PrivilegedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The error for a number that is not a [`PrivilegedPort`]: it is 0, or any user can bind it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("vsock port {0} is not possible: use 1 to 1023, which only root can bind")]
pub struct PrivilegedPortError(u32);

/// The address of the agent's end of its channel, as given by `tether-net --channel`. Parsed from
/// text such as `virtio:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ChannelAddress {
    /// `vsock-listen:PORT`: the agent listens on this vsock port, and the host connects.
    VsockListen(PrivilegedPort),
    /// `vsock:CID:PORT`: the agent connects by vsock to the coordinator, on the host or in another
    /// VM.
    Vsock {
        /// The context ID of the machine that the coordinator runs on; 2 is the host.
        cid: u32,
        /// The port that the coordinator listens on.
        port: PrivilegedPort,
    },
    /// `serial:DEVICE`: the agent opens this UART, such as `/dev/ttyS1`.
    Serial(PathBuf),
    /// `virtio:NAME`: the agent opens the virtserialport with this name.
    Virtio(String),
    /// `unix:PATH`: the agent connects to the Unix socket at this path.
    Unix(PathBuf),
}

impl FromStr for ChannelAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |remedy| AddressError::new("channel", text, remedy);
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "vsock-listen" => parse_port(rest)
                .map(Self::VsockListen)
                .ok_or_else(|| error("write vsock-listen:PORT with a port of 1 to 1023")),
            "vsock" => rest
                .split_once(':')
                .and_then(|(cid, port)| Some((parse_cid(cid)?, parse_port(port)?)))
                .map(|(cid, port)| Self::Vsock { cid, port })
                .ok_or_else(|| error("write vsock:CID:PORT with the coordinator's CID (2 is the host) and a port of 1 to 1023")),
            "serial" => parse_path(rest, MAX_PATH)
                .map(Self::Serial)
                .ok_or_else(|| error("write serial:DEVICE with an absolute path, as in serial:/dev/ttyS1")),
            "virtio" => parse_port_name(rest)
                .map(Self::Virtio)
                .ok_or_else(|| error("write virtio:NAME with the virtserialport's name, 1 to 64 printable characters without `/`")),
            "unix" => parse_path(rest, MAX_SOCKET_PATH)
                .map(Self::Unix)
                .ok_or_else(|| error("write unix:PATH with an absolute path of at most 107 bytes")),
            _ => Err(error("use vsock-listen:PORT, vsock:CID:PORT, serial:DEVICE, virtio:NAME or unix:PATH")),
        }
    }
}

impl fmt::Display for ChannelAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VsockListen(port) => write!(f, "vsock-listen:{port}"),
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::Serial(path) => write!(f, "serial:{}", path.display()),
            Self::Virtio(name) => write!(f, "virtio:{name}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The address of the coordinator's end of one container's channel. Parsed from text such as
/// `chardev:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CoordinatorChannel {
    /// `hybrid-vsock:PATH:PORT`: the coordinator connects to a Unix socket of the virtual machine
    /// monitor, which passes the connection on to a vsock port of the guest.
    HybridVsock {
        /// The path of the virtual machine monitor's Unix socket.
        socket: PathBuf,
        /// The vsock port that the agent listens on.
        port: PrivilegedPort,
    },
    /// `chardev:PATH`: the coordinator connects to QEMU's Unix socket at this path, which QEMU
    /// passes on to a UART or virtserialport of the guest.
    Chardev(PathBuf),
    /// `unix:PATH`: the coordinator listens on a Unix socket at this path, and the agent connects.
    Unix(PathBuf),
    /// `vsock:CID`: the agent of the guest with this context ID connects to the coordinator's vsock
    /// port.
    Vsock(u32),
}

impl FromStr for CoordinatorChannel {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |remedy| AddressError::new("channel", text, remedy);
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "hybrid-vsock" => rest
                .rsplit_once(':')
                .and_then(|(path, port)| Some((parse_path(path, MAX_SOCKET_PATH)?, parse_port(port)?)))
                .map(|(socket, port)| Self::HybridVsock { socket, port })
                .ok_or_else(|| error("write hybrid-vsock:PATH:PORT with an absolute path of at most 107 bytes and a port of 1 to 1023")),
            "chardev" => parse_path(rest, MAX_SOCKET_PATH)
                .map(Self::Chardev)
                .ok_or_else(|| error("write chardev:PATH with an absolute path of at most 107 bytes")),
            "unix" => parse_path(rest, MAX_SOCKET_PATH)
                .map(Self::Unix)
                .ok_or_else(|| error("write unix:PATH with an absolute path of at most 107 bytes")),
            "vsock" => parse_cid(rest)
                .filter(|cid| *cid > VMADDR_CID_HOST)
                .map(Self::Vsock)
                .ok_or_else(|| error("write vsock:CID with the container VM's CID, 3 or more")),
            _ => Err(error("use hybrid-vsock:PATH:PORT, chardev:PATH, unix:PATH or vsock:CID")),
        }
    }
}

impl fmt::Display for CoordinatorChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HybridVsock { socket, port } => {
                write!(f, "hybrid-vsock:{}:{port}", socket.display())
            }
            Self::Chardev(path) => write!(f, "chardev:{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Vsock(cid) => write!(f, "vsock:{cid}"),
        }
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(address: $type) -> Self {
                address.to_string()
            }
        }
    };
}

as_text!(ChannelAddress);
as_text!(CoordinatorChannel);

fn parse_number(text: &str) -> Option<u32> {
    // `from_str` would take a sign too.
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn parse_port(text: &str) -> Option<PrivilegedPort> {
    PrivilegedPort::try_from(parse_number(text)?).ok()
}

fn parse_cid(text: &str) -> Option<u32> {
    // 0 is the hypervisor itself, which has no sockets.
    parse_number(text).filter(|cid| *cid != 0 && *cid != VMADDR_CID_ANY)
}

fn parse_path(text: &str, limit: usize) -> Option<PathBuf> {
    let path = Path::new(text);
    let possible = path.is_absolute() && text.len() <= limit && !text.contains('\0');
    possible.then(|| path.to_owned())
}

fn parse_port_name(text: &str) -> Option<String> {
    let graphic = |b: u8| b.is_ascii_graphic() && b != b'/';
    let possible = (1..=MAX_PORT_NAME).contains(&text.len()) && text.bytes().all(graphic);
    possible.then(|| text.to_owned())
}

/// The error for a text that is not a channel's address. Its message has the text and a remedy.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{field} `{value}` is not possible: {remedy}")]
pub struct AddressError {
    field: &'static str,
    value: String,
    remedy: &'static str,
}

impl AddressError {
    fn new(field: &'static str, value: &str, remedy: &'static str) -> Self {
        Self {
            field,
            value: value.chars().take(200).collect(),
            remedy,
        }
    }
}

#[cfg(test)]
mod tests;

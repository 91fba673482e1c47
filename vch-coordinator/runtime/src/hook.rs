//! The runtime hook, for hosts on which another program runs the containers' VMs: the coordinator
//! asks that program to plug, unplug and reattach a NIC of a running VM.
//!
//! The program listens on a Unix socket. For each request the coordinator connects, writes one line
//! of JSON and reads one line, all within [`DEADLINE`]:
//!
//! ```text
//!   {"plug":{"container":"web","container_id":"…64…","endpoint_id":"…64…","interface":"eth1",
//!            "tap":"vt-0123456789ab","mac":"02:00:00:00:00:01","nic":"mac"}}
//!   {"done":true}                       or  {"error":"why not"}
//! ```
//!
//! | request | sent when | required before the answer `done` |
//! |---|---|---|
//! | `plug` | the running container was connected; its tap exists | the VM has a NIC with that MAC address on that tap; `nic` says where in the VM, as in `container connect --nic` |
//! | `unplug` | the container was disconnected; the tap still exists | the VM has no such NIC |
//! | `replug` | the tap under the VM's NIC was deleted by another program and created again | the VM's NIC works again: by `TUNSETIFF` on a descriptor of the old tap that was kept (linux/if_tun.h), or by another NIC |
//!
//! Requests are idempotent: the answer is `done` if nothing needs to change. An `error` to `plug`
//! undoes the connection; the other requests are repeated later.

use futures_util::{FutureExt, future::BoxFuture};
use protocol::spec::NicMatch;
use serde::{Deserialize, Serialize};
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};
use vch_ledger::desired::Nic;
use vch_network::{NicError, Nics};

/// The maximum time of one request to the hook program, from connecting to the answer.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// The maximum length of an answer in bytes.
const MAX_ANSWER: u64 = 64 << 10;

/// A client of the hook: the program that runs the VMs in place of this coordinator (`[runtime] hook` in vch.toml). As
/// an implementation of [`Nics`], it asks that program to plug, unplug and reattach NICs.
#[derive(Clone, Debug)]
pub struct Hook {
    socket: PathBuf,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum HookRequest {
    Plug(HookNic),
    Unplug(HookNic),
    #[serde(rename = "replug")]
    Reattach(HookNic),
}

/// A NIC as it is described to the program.
#[derive(Serialize)]
struct HookNic {
    container: String,
    container_id: String,
    endpoint_id: String,
    interface: String,
    tap: String,
    mac: String,
    /// How the agent finds the NIC: `mac`, `pci:PATH` or `slot:NUMBER`.
    nic: String,
}

impl From<&Nic> for HookNic {
    fn from(nic: &Nic) -> Self {
        Self {
            container: nic.container.to_string(),
            container_id: nic.container_id.to_string(),
            endpoint_id: nic.endpoint_id.to_string(),
            interface: nic.interface.to_string(),
            tap: nic.tap.to_string(),
            mac: nic.mac.to_string(),
            nic: match &nic.found_by {
                NicMatch::Mac(_) => "mac".to_owned(),
                NicMatch::PciPath(path) => format!("pci:{path}"),
                NicMatch::PciSlot(slot) => format!("slot:{slot}"),
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum HookAnswer {
    Done(bool),
    Error(String),
}

/// The reason for which the hook program (see the [module](self)) did not give a usable answer.
#[derive(Debug, Error)]
pub enum HookError {
    /// The connection to the program's socket was refused or broke.
    #[error(
        "the runtime hook {} does not answer: start the program that runs the VMs, or take `runtime.hook` out of vch.toml",
        socket.display()
    )]
    Unreachable {
        /// The path of the program's socket.
        socket: PathBuf,
        /// The error of the socket.
        #[source]
        source: io::Error,
    },
    /// The program did not answer within [`DEADLINE`].
    #[error("the runtime hook {} has not answered within {DEADLINE:?}", socket.display())]
    Timeout {
        /// The path of the program's socket.
        socket: PathBuf,
    },
    /// The program answered a line that is neither `{"done":true}` nor `{"error":…}`.
    #[error("the runtime hook {} answered what is no answer: `{text}`", socket.display())]
    Answer {
        /// The path of the program's socket.
        socket: PathBuf,
        /// The first 200 characters of the answer.
        text: String,
    },
}

impl From<HookError> for NicError {
    fn from(error: HookError) -> Self {
        Self::Unanswered(Box::new(error))
    }
}

impl Hook {
    /// Returns a client of the program that listens on the Unix socket at the path `socket`. Does
    /// not connect yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    async fn ask(
        &self,
        operation: &'static str,
        request: HookRequest,
        nic: &Nic,
    ) -> Result<(), NicError> {
        let socket = self.socket.clone();
        let text = match timeout(DEADLINE, self.exchange(&request)).await {
            Err(_) => return Err(HookError::Timeout { socket }.into()),
            Ok(Err(source)) => return Err(HookError::Unreachable { socket, source }.into()),
            Ok(Ok(text)) => text,
        };
        match serde_json::from_str(&text) {
            Ok(HookAnswer::Done(true)) => Ok(()),
            Ok(HookAnswer::Error(reason)) => Err(NicError::Refused {
                operation,
                mac: nic.mac,
                container: nic.container.clone(),
                reason,
            }),
            _ => Err(HookError::Answer {
                socket,
                text: text.trim().chars().take(200).collect(),
            }
            .into()),
        }
    }

    async fn exchange(&self, request: &HookRequest) -> io::Result<String> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(&line).await?;
        let mut text = String::new();
        BufReader::new(stream.take(MAX_ANSWER))
            .read_line(&mut text)
            .await?;
        Ok(text)
    }
}

impl Nics for Hook {
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        self.ask("plug", HookRequest::Plug(nic.into()), nic).boxed()
    }

    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        self.ask("unplug", HookRequest::Unplug(nic.into()), nic)
            .boxed()
    }

    fn reattach<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        self.ask("replug", HookRequest::Reattach(nic.into()), nic)
            .boxed()
    }
}

#[cfg(test)]
mod tests;

//! The hook: asks the program that starts the VMs to plug, unplug and reattach a running VM's NIC.
//!
//! It is a Unix socket on which that program listens. The coordinator connects for each request,
//! writes one line of JSON and reads one, within [`DEADLINE`]:
//!
//! ```text
//!   {"plug":{"container":"web","container_id":"…64…","endpoint_id":"…64…","interface":"eth1",
//!            "tap":"vt-0123456789ab","mac":"02:00:00:00:00:01","nic":"mac"}}
//!   {"done":true}                       or  {"error":"why not"}
//! ```
//!
//! | request | when | what is to be so when it is answered |
//! |---|---|---|
//! | `plug` | the container, which runs, was connected; its tap is there | the VM has a NIC with that MAC address on that tap; `nic` says where in the VM, as in `container connect --nic` |
//! | `unplug` | it was disconnected; the tap is there still | the VM has no such NIC |
//! | `replug` | the tap was deleted by somebody and made anew, under the VM's NIC | the VM's NIC works again: by `TUNSETIFF` on a descriptor of the old tap that was kept (linux/if_tun.h), or by another NIC |
//!
//! Each may be asked again, and is answered `done` where it is so already. An `error` to `plug`
//! undoes the connection; to the others it is tried again later.

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

/// How long a request may take, from the connection to the answer.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const MAX_ANSWER: u64 = 64 << 10;

/// Where the program listens that starts the VMs.
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

/// A NIC as the program is told of it.
#[derive(Serialize)]
struct HookNic {
    container: String,
    container_id: String,
    endpoint_id: String,
    interface: String,
    tap: String,
    mac: String,
    /// How the agent finds it: `mac`, `pci:PATH` or `slot:NUMBER`.
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

/// Why the program's answer is not known.
#[derive(Debug, Error)]
pub enum HookError {
    /// Nobody listens, or the conversation broke off.
    #[error(
        "the runtime hook {} does not answer: start the program that runs the VMs, or take `runtime.hook` out of vch.toml",
        socket.display()
    )]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("the runtime hook {} has not answered within {DEADLINE:?}", socket.display())]
    Timeout {
        /// The socket.
        socket: PathBuf,
    },
    /// The answer is none.
    #[error("the runtime hook {} answered what is no answer: `{text}`", socket.display())]
    Answer {
        /// The socket.
        socket: PathBuf,
        /// The answer's beginning.
        text: String,
    },
}

impl From<HookError> for NicError {
    fn from(error: HookError) -> Self {
        Self::Unanswered(Box::new(error))
    }
}

impl Hook {
    /// The hook at a socket.
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

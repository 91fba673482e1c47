//! The hook: asks whoever starts the VMs to plug, unplug and mend a running VM's NIC.
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

use super::{Nic, Nics};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use std::{io, path::PathBuf, time::Duration};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::timeout,
};

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
enum Request<'a> {
    Plug(&'a Nic),
    Unplug(&'a Nic),
    Replug(&'a Nic),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Done(bool),
    Error(String),
}

/// Why a VM's NIC is not as it must be.
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
    Late {
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
    /// The program refused.
    #[error("the runtime could not {what} the NIC {mac} of {container}: {reason}")]
    Refused {
        /// What it was asked for.
        what: &'static str,
        /// Of which NIC.
        mac: String,
        /// Of which container.
        container: String,
        /// In its words.
        reason: String,
    },
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
        what: &'static str,
        request: Request<'_>,
        nic: &Nic,
    ) -> Result<(), HookError> {
        let socket = self.socket.clone();
        let text = match timeout(DEADLINE, self.exchange(&request)).await {
            Err(_) => return Err(HookError::Late { socket }),
            Ok(Err(source)) => return Err(HookError::Unreachable { socket, source }),
            Ok(Ok(text)) => text,
        };
        match serde_json::from_str(&text) {
            Ok(Answer::Done(true)) => Ok(()),
            Ok(Answer::Error(reason)) => Err(HookError::Refused {
                what,
                mac: nic.mac.clone(),
                container: nic.container.clone(),
                reason,
            }),
            _ => Err(HookError::Answer {
                socket,
                text: text.trim().chars().take(200).collect(),
            }),
        }
    }

    async fn exchange(&self, request: &Request<'_>) -> io::Result<String> {
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
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        self.ask("plug", Request::Plug(nic), nic).boxed()
    }

    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        self.ask("unplug", Request::Unplug(nic), nic).boxed()
    }

    fn replug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), HookError>> {
        self.ask("replug", Request::Replug(nic), nic).boxed()
    }
}

#[cfg(test)]
mod tests;

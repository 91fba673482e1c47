//! Requests to the kernel's route netlink (rtnetlink(7)), by the crate `rtnetlink`.
//!
//! This module sends the crate's messages and returns an errno. The crate's own typed requests would keep the whole
//! error of a refusal, whose texts alone would be a tenth of the agent's size.

use futures_util::{Stream, StreamExt};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use rtnetlink::Handle;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use thiserror::Error;
use tokio::task::JoinHandle;

/// How often a dump is begun again because something changed meanwhile.
const DUMP_TRIES: usize = 8;

/// The reason why a request to the kernel's route netlink failed.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// A netlink socket can't be opened, with the kernel's errno.
    #[error("a route netlink socket can't be opened: {}", .0.desc())]
    Open(Errno),
    /// The kernel refused the request, with this errno.
    #[error("the kernel refuses: {}", .0.desc())]
    Refused(Errno),
    /// The socket failed before the kernel had answered, so it is unknown whether the request was carried out.
    #[error("the route netlink socket has failed")]
    Ended,
    /// The kernel's tables changed during each of eight attempts to read them, so that no result is consistent.
    #[error("the kernel's tables never stood still during a dump")]
    Restless,
}

impl NetlinkError {
    /// Returns the kernel's errno as a positive number (errno(3)); 0 for [`NetlinkError::Ended`] and
    /// [`NetlinkError::Restless`], which have none.
    pub fn errno(&self) -> i32 {
        match self {
            Self::Open(errno) | Self::Refused(errno) => *errno as i32,
            Self::Ended | Self::Restless => 0,
        }
    }
}

/// A route netlink socket, with the tokio task that serves it. If the socket fails, the next request opens a new one.
/// The task ends when this value is dropped.
pub struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace; needs a tokio runtime.
    ///
    /// # Errors
    /// Returns [`NetlinkError::Open`] if the kernel refuses the socket.
    pub fn open() -> Result<Self, NetlinkError> {
        let (mut connection, handle, _) = rtnetlink::new_connection().map_err(|error| {
            NetlinkError::Open(Errno::from_raw(error.raw_os_error().unwrap_or(0)))
        })?;
        // Without them a connection that fails would look like one whose answer is complete.
        connection.set_forward_ack(true);
        connection.set_forward_done(true);
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// Sends a request that changes something; `flags` are `NLM_F_*` beside those of every request.
    ///
    /// # Errors
    /// Returns [`NetlinkError::Refused`] with the kernel's errno, [`NetlinkError::Ended`] if the
    /// socket has failed.
    pub(crate) async fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(), NetlinkError> {
        let mut answers = self.ask(message, NLM_F_ACK | flags)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(answer) = answer.payload {
                return answered(answer.raw_code());
            }
        }
        Err(NetlinkError::Ended)
    }

    /// Sends a request that lists objects; returns them. A dump that was disturbed is begun again with a new message,
    /// since code that copies any kind of message would cost 18 KB.
    ///
    /// # Errors
    /// Returns [`NetlinkError::Refused`] with the kernel's errno, [`NetlinkError::Ended`] if the socket has failed,
    /// [`NetlinkError::Restless`] if every try was disturbed.
    pub(crate) async fn dump(
        &mut self,
        message: impl Fn() -> RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, NetlinkError> {
        for _ in 0..DUMP_TRIES {
            if let Some(found) = self.dump_once(message()).await? {
                return Ok(found);
            }
        }
        Err(NetlinkError::Restless)
    }

    async fn dump_once(
        &mut self,
        message: RouteNetlinkMessage,
    ) -> Result<Option<Vec<RouteNetlinkMessage>>, NetlinkError> {
        let mut answers = self.ask(message, NLM_F_DUMP)?;
        let mut undisturbed = true;
        let mut found = Vec::new();
        while let Some(answer) = answers.next().await {
            undisturbed &= answer.header.flags & NLM_F_DUMP_INTR == 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => found.push(message),
                NetlinkPayload::Error(refusal) => answered(refusal.raw_code())?,
                // A dump that failed on its way says so in its last message.
                NetlinkPayload::Done(done) => {
                    return answered(done.code).map(|()| undisturbed.then_some(found));
                }
                _ => {}
            }
        }
        Err(NetlinkError::Ended)
    }

    /// Sends a request, by a new socket where the one before has failed.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + use<>, NetlinkError> {
        if self.connection.is_finished() {
            *self = Self::open()?;
        }
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let answers = self.handle.request(request);
        answers.map_err(|_| NetlinkError::Ended)
    }
}

/// Reads the code of an answer: a negative errno, or 0 for done.
fn answered(code: i32) -> Result<(), NetlinkError> {
    match code {
        0 => Ok(()),
        code => Err(NetlinkError::Refused(Errno::from_raw(
            code.saturating_neg(),
        ))),
    }
}

#[cfg(test)]
mod tests;

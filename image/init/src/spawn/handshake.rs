//! The handshake between init and a child that does not run its program yet: datagrams on a socket
//! pair.

use crate::start_error::StartError;
use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
        sendmsg, socketpair,
    },
};
use protocol::process::Fault;
use std::{
    io::{IoSlice, IoSliceMut},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

/// Most bytes of a reason.
const MAX_REASON: usize = 4096;
/// First bytes of messages; all others are faults, by their position in [`FAULTS`], from 1 on.
const TERMINAL: u8 = 0;
const IN_PLACE: u8 = u8::MAX;
const EXECUTES: u8 = u8::MAX - 1;
const FAULTS: [Fault; 6] = [
    Fault::NotFound,
    Fault::NotExecutable,
    Fault::User,
    Fault::RootFileSystem,
    Fault::Network,
    Fault::Other,
];

/// A message of the child to init. Init answers [`ChildMessage::InPlace`] with the same message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildMessage {
    /// The child has made its terminal, whose descriptor is attached to this message.
    Terminal,
    /// The child is in the container's namespaces, and waits for init's answer.
    InPlace,
    /// The child is about to execute its program, and has this process ID in the container.
    Executes(u32),
    /// The child could not execute its program, for this reason, and ends.
    Failed(StartError),
}

impl ChildMessage {
    fn encode(&self) -> Vec<u8> {
        let with = |kind, rest: &[u8]| [&[kind][..], rest].concat();
        match self {
            Self::Terminal => vec![TERMINAL],
            Self::InPlace => vec![IN_PLACE],
            Self::Executes(pid) => with(EXECUTES, &pid.to_le_bytes()),
            Self::Failed(StartError { fault, reason }) => {
                let reason = reason.as_bytes();
                with(number(*fault), &reason[..reason.len().min(MAX_REASON)])
            }
        }
    }

    /// Decodes a message; returns `None` for an empty one, which stands for the end of the socket.
    fn decode(message: &[u8]) -> Option<Self> {
        let (kind, rest) = message.split_first()?;
        Some(match *kind {
            TERMINAL => Self::Terminal,
            IN_PLACE => Self::InPlace,
            EXECUTES => Self::Executes(rest.try_into().map_or(0, u32::from_le_bytes)),
            number => {
                let reason = String::from_utf8_lossy(rest).into_owned();
                Self::Failed(StartError::new(fault(number), reason))
            }
        })
    }
}

fn number(fault: Fault) -> u8 {
    let index = FAULTS.iter().position(|one| *one == fault);
    let number = index.and_then(|index| u8::try_from(index + 1).ok());
    number.unwrap_or(1)
}

fn fault(number: u8) -> Fault {
    let index = usize::from(number).saturating_sub(1);
    FAULTS.get(index).copied().unwrap_or(Fault::Other)
}

/// The result of reading the handshake socket.
#[derive(Debug)]
pub enum Received {
    /// No message has arrived yet.
    Nothing,
    /// A message has arrived, with the descriptor that was attached to it.
    Message(ChildMessage, Option<OwnedFd>),
    /// The other side has closed the socket, as a successful exec does.
    End,
}

/// Returns the error of a child that ended before it ran its program.
pub fn ended() -> StartError {
    StartError::other("the process ended before it began".to_owned())
}

/// Makes the two ends of a handshake socket: init's and the child's.
///
/// # Errors
/// Returns EMFILE or ENFILE if no descriptor is left.
pub fn pair() -> Result<(OwnedFd, OwnedFd), Errno> {
    let kind = SockType::SeqPacket;
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)
}

/// Sends a message, with a descriptor attached if one is given.
///
/// # Errors
/// Returns EPIPE if the other side has ended.
pub fn send(
    socket: &OwnedFd,
    message: &ChildMessage,
    descriptor: Option<RawFd>,
) -> Result<(), Errno> {
    let bytes = message.encode();
    let parts = [IoSlice::new(&bytes)];
    let rights = descriptor.as_slice();
    let rights = ControlMessage::ScmRights(rights);
    let controls = match descriptor {
        Some(_) => std::slice::from_ref(&rights),
        None => &[],
    };
    let flags = MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_raw_fd(), &parts, controls, flags, None).map(drop)
}

/// Returns a message that has arrived. Does not wait.
///
/// # Errors
/// Returns the kernel's error if the socket is broken.
pub fn receive(socket: &OwnedFd) -> Result<Received, Errno> {
    match receive_with(socket, MsgFlags::MSG_DONTWAIT) {
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(Received::Nothing),
        other => other,
    }
}

/// Waits for a message and returns it.
///
/// # Errors
/// Returns the kernel's error if the socket is broken.
pub fn wait(socket: &OwnedFd) -> Result<Received, Errno> {
    receive_with(socket, MsgFlags::empty())
}

fn receive_with(socket: &OwnedFd, flags: MsgFlags) -> Result<Received, Errno> {
    let mut buffer = vec![0; MAX_REASON + 1];
    let mut space = cmsg_space!([RawFd; 1]);
    let (count, descriptor) = {
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let flags = flags | MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
        let mut descriptor = None;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(received) = control {
                descriptor = received.into_iter().map(owned).next_back();
            }
        }
        (message.bytes, descriptor)
    };
    let message = ChildMessage::decode(buffer.get(..count).unwrap_or_default());
    Ok(message.map_or(Received::End, |message| {
        Received::Message(message, descriptor)
    }))
}

#[expect(
    unsafe_code,
    reason = "a descriptor that came by SCM_RIGHTS (unix(7)) is a number"
)]
fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made it, and no other code knows it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[cfg(test)]
mod tests;

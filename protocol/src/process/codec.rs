//! Checks the bounds of the messages to and from init.

use super::{FromInit, MAX_CHUNK, MAX_WORDS, Process, Start, ToInit};
use crate::message::{DecodeError, Message, bounded};

impl Message for ToInit {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Start(start) => check_start(start),
            Self::Exec { process, .. } => check_process(process),
            Self::Input { bytes, .. } => bounded("bytes", bytes.len(), MAX_CHUNK),
            Self::Hello { .. }
            | Self::InputEnd { .. }
            | Self::Taken { .. }
            | Self::Resize { .. }
            | Self::Signal { .. }
            | Self::List { .. }
            | Self::Usage { .. }
            | Self::Update { .. }
            | Self::Clock { .. }
            | Self::PowerOff => Ok(()),
        }
    }
}

impl Message for FromInit {
    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::Output { bytes, .. } => bounded("bytes", bytes.len(), MAX_CHUNK),
            // A frame's length is their bound.
            _ => Ok(()),
        }
    }
}

fn check_start(start: &Start) -> Result<(), DecodeError> {
    bounded("tmpfs", start.tmpfs.len(), MAX_WORDS)?;
    bounded("sysctls", start.sysctls.len(), MAX_WORDS)?;
    bounded("devices", start.devices.len(), MAX_WORDS)?;
    bounded("masked_paths", start.masked_paths.len(), MAX_WORDS)?;
    bounded("read_only_paths", start.read_only_paths.len(), MAX_WORDS)?;
    bounded("volumes", start.volumes.len(), MAX_WORDS)?;
    check_process(&start.process)
}

fn check_process(process: &Process) -> Result<(), DecodeError> {
    bounded("words", process.args.len(), MAX_WORDS)?;
    bounded("environment", process.environment.len(), MAX_WORDS)?;
    bounded("groups", process.groups.len(), MAX_WORDS)?;
    bounded("limits", process.limits.len(), MAX_WORDS)
}

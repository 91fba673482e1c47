//! Parses the command line, and the agent's options on the kernel's.

#[cfg(test)]
mod tests;

use crate::log::Destination;
use crate::resolver::HostnameScope;
use protocol::transport::{AddressError, ChannelAddress};
use std::path::PathBuf;
use thiserror::Error;

/// The text of `--help`.
pub const HELP: &str = "\
tether-net: gives this VM the network that its coordinator says it has

Usage: tether-net [OPTION]...

  --channel ADDRESS   how the coordinator is reached; one of
                        vsock-listen:PORT  it connects to this port of the VM (hybrid vsock)
                        vsock:CID:PORT     the agent connects to it (native vsock; CID 2: the host)
                        serial:DEVICE      a UART, as in serial:/dev/ttyS1
                        virtio:NAME        the virtserialport of this name
                        unix:PATH          a Unix socket
                      Vsock ports are below 1024, which only root may use.
                      Without this option: tether.channel=ADDRESS of the kernel command line.
  --root DIR          whose etc/resolv.conf, etc/hosts and etc/hostname it writes (default /)
  --hostname WHOSE    auto    the file's, and the kernel's if the root is / (default)
                      kernel  the file's and the kernel's, whatever the root
                      file    the file's alone
  --log WHERE         stderr (default) or kmsg, the kernel's log; the coordinator gets it too
  --hold              get ready, and begin with the first byte of standard input; write
                      files below the root once that has ended. For whoever saves the
                      VM in between, or makes the root meanwhile
  --verbose           log also how things are done
  --version           say the version
  --help              say this

It runs in the foreground until SIGTERM or SIGINT, and then leaves the network as it is.
It needs CAP_NET_ADMIN and CAP_NET_RAW, and CAP_SYS_ADMIN for the kernel's host name
and to reseed its random numbers when the VM is a clone.
What it sets is marked with the number 77, so that it never removes what others set:
  ip route show proto 77;  ip link show group 77;  ip -details address show

Examples:
  tether-net --channel vsock-listen:1023
  tether-net --channel virtio:tether --root /newroot --hostname kernel --log kmsg
";

/// The command that the command line gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the agent.
    Run(Options),
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// The options of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The address of the channel to the coordinator.
    pub channel: ChannelAddress,
    /// The root directory of the files that it writes.
    pub root: PathBuf,
    /// The host names that it sets.
    pub hostname: HostnameScope,
    /// The destination of log lines on this machine.
    pub log: Destination,
    /// Whether to log details too.
    pub verbose: bool,
    /// Whether to begin only when standard input says so.
    pub hold: bool,
}

/// The reason for which a command line is not valid.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    /// The option does not exist.
    #[error("`{0}` is no option: see tether-net --help")]
    Unknown(String),
    /// An option has no value.
    #[error("option {option} has no value: write {option} {example}")]
    NoValue {
        /// The option.
        option: &'static str,
        /// An example of a value.
        example: &'static str,
    },
    /// An option's value is not one of those that are possible.
    #[error("option {option} can't be `{value}`: use {remedy}")]
    Value {
        /// The option.
        option: &'static str,
        /// The value.
        value: String,
        /// The possible values.
        remedy: &'static str,
    },
    /// The address of the channel is not valid.
    #[error(transparent)]
    Channel(#[from] AddressError),
    /// The channel to the coordinator is not given.
    #[error(
        "no channel is given: use --channel ADDRESS, or tether.channel=ADDRESS on the kernel command line; see tether-net --help"
    )]
    NoChannel,
}

/// Parses a command line without the program's name; `kernel` is the content of `/proc/cmdline`,
/// empty if it was not read.
///
/// # Errors
/// Returns [`OptionError`] with the option that is not valid, or [`OptionError::NoChannel`].
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    kernel: &str,
) -> Result<Command, OptionError> {
    let mut channel = None;
    let mut root = PathBuf::from("/");
    let mut hostname = HostnameScope::Auto;
    let mut log = Destination::Stderr;
    let mut verbose = false;
    let mut hold = false;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (option, inline) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = |option, example| {
            let given = inline.clone().or_else(|| arguments.next());
            given.ok_or(OptionError::NoValue { option, example })
        };
        match option {
            "--channel" => channel = Some(value("--channel", "vsock-listen:1023")?.parse()?),
            "--root" => root = absolute(value("--root", "/newroot")?)?,
            "--hostname" => hostname = whose(value("--hostname", "auto")?)?,
            "--log" => log = destination(value("--log", "stderr")?)?,
            "--verbose" if inline.is_none() => verbose = true,
            "--hold" if inline.is_none() => hold = true,
            "--help" | "-h" if inline.is_none() => return Ok(Command::Help),
            "--version" | "-V" if inline.is_none() => return Ok(Command::Version),
            _ => return Err(OptionError::Unknown(argument.chars().take(200).collect())),
        }
    }
    let channel = match channel {
        Some(channel) => channel,
        None => kernel_channel(kernel).ok_or(OptionError::NoChannel)??,
    };
    Ok(Command::Run(Options {
        channel,
        root,
        hostname,
        log,
        verbose,
        hold,
    }))
}

/// Returns the last `tether.channel=` of the kernel's command line, as the kernel does with its own
/// options.
fn kernel_channel(kernel: &str) -> Option<Result<ChannelAddress, OptionError>> {
    let words = kernel.split_ascii_whitespace();
    let last = words
        .filter_map(|word| word.strip_prefix("tether.channel="))
        .next_back()?;
    Some(last.trim_matches('"').parse().map_err(OptionError::from))
}

fn absolute(value: String) -> Result<PathBuf, OptionError> {
    if value.starts_with('/') {
        return Ok(PathBuf::from(value));
    }
    Err(OptionError::Value {
        option: "--root",
        value,
        remedy: "an absolute path",
    })
}

fn whose(value: String) -> Result<HostnameScope, OptionError> {
    match value.as_str() {
        "auto" => Ok(HostnameScope::Auto),
        "kernel" => Ok(HostnameScope::Kernel),
        "file" => Ok(HostnameScope::File),
        _ => Err(OptionError::Value {
            option: "--hostname",
            value,
            remedy: "auto, kernel or file",
        }),
    }
}

fn destination(value: String) -> Result<Destination, OptionError> {
    match value.as_str() {
        "stderr" => Ok(Destination::Stderr),
        "kmsg" => Ok(Destination::Kmsg),
        _ => Err(OptionError::Value {
            option: "--log",
            value,
            remedy: "stderr or kmsg",
        }),
    }
}

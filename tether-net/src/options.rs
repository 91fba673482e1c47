//! Parses the agent's command line, and its option on the kernel's command line.

#[cfg(test)]
mod tests;

use crate::log::Destination;
use crate::resolver::HostnameScope;
use protocol::transport::{AddressError, ChannelAddress};
use std::path::PathBuf;
use thiserror::Error;

/// The text that `tether-net --help` prints.
pub const HELP: &str = "\
tether-net: configures this VM's network as its coordinator tells it

Usage: tether-net [OPTION]...

  --channel ADDRESS   the channel to the coordinator; one of
                        vsock-listen:PORT  the coordinator connects to this port of the VM (hybrid vsock)
                        vsock:CID:PORT     the agent connects (native vsock; CID 2: the host)
                        serial:DEVICE      a UART, as in serial:/dev/ttyS1
                        virtio:NAME        the virtserialport of this name
                        unix:PATH          a Unix socket
                      Vsock ports are below 1024, which only root may use.
                      Default: tether.channel=ADDRESS of the kernel command line.
  --root DIR          write etc/resolv.conf, etc/hosts and etc/hostname below DIR (default /)
  --hostname WHERE    auto    in the file, and in the kernel if the root is / (default)
                      kernel  in the file and in the kernel, whatever the root is
                      file    in the file only
  --log WHERE         stderr (default) or kmsg, the kernel's log; the coordinator gets it too
  --hold              prepare, and wait for a byte on standard input; write no file below
                      the root before its end. For an init that saves the VM in between,
                      or mounts the root meanwhile
  --verbose           log each step too
  --version           print the version
  --help              print this text

It runs in the foreground until SIGTERM or SIGINT, and then leaves the network as it is.
It needs CAP_NET_ADMIN and CAP_NET_RAW, and CAP_SYS_ADMIN for the kernel's host name
and to reseed its random numbers when the VM is a clone.
What it sets is marked with the number 77, so that it never removes what others set:
  ip route show proto 77;  ip link show group 77;  ip -details address show

Examples:
  tether-net --channel vsock-listen:1023
  tether-net --channel virtio:tether --root /newroot --hostname kernel --log kmsg
";

/// The command that the command line gives: what the program has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the agent with these options.
    Run(Options),
    /// Print [`HELP`] and exit.
    Help,
    /// Print the version and exit.
    Version,
}

/// The options for running the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The address of the channel to the coordinator: `--channel`, or `tether.channel=` of the
    /// kernel's command line.
    pub channel: ChannelAddress,
    /// The directory whose etc/hosts, etc/resolv.conf and etc/hostname are written (`--root`); `/`
    /// by default.
    pub root: PathBuf,
    /// Which host names are set (`--hostname`): that of the file, or also the kernel's.
    pub hostname: HostnameScope,
    /// Where log lines are written in the VM (`--log`).
    pub log: Destination,
    /// Whether to log debug messages too (`--verbose`); otherwise errors, warnings and information only.
    pub verbose: bool,
    /// Whether to begin only after a byte on standard input, and to write files only after its end (`--hold`). If
    /// `false`, the agent begins at once.
    pub hold: bool,
}

/// The reason why a command line is invalid.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum OptionError {
    /// This argument (its first 200 characters) is not an option of the program, or is one that takes no value and has
    /// one.
    #[error("`{0}` is no option: see tether-net --help")]
    Unknown(String),
    /// An option needs a value and has none.
    #[error("option {option} has no value: write {option} {example}")]
    NoValue {
        /// The option's name.
        option: &'static str,
        /// An example of a valid value.
        example: &'static str,
    },
    /// An option has an invalid value.
    #[error("option {option} can't be `{value}`: use {remedy}")]
    Value {
        /// The option's name.
        option: &'static str,
        /// The invalid value.
        value: String,
        /// The valid values, as an English phrase.
        remedy: &'static str,
    },
    /// The value of `--channel`, or of `tether.channel=` on the kernel's command line, is not the address of a channel.
    #[error(transparent)]
    Channel(#[from] AddressError),
    /// Neither the command line has `--channel`, nor the kernel's command line `tether.channel=`.
    #[error(
        "no channel is given: use --channel ADDRESS, or tether.channel=ADDRESS on the kernel command line; see tether-net --help"
    )]
    NoChannel,
}

/// Parses the command line `arguments` (without the program's name). `kernel` is the content of
/// `/proc/cmdline`, which is searched for `tether.channel=` if `--channel` is not given; it may be
/// empty.
///
/// # Errors
/// Returns [`OptionError`] if an option is unknown, lacks a value or has an invalid one, or no
/// channel is given.
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

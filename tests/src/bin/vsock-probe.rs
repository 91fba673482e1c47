//! Uses AF_VSOCK inside of a guest, for tests; busybox can't. Built static and baked into test images.
//!
//! On a host such a connection would leave towards the machine's own hypervisor, so it runs only where the lab's shell
//! does.

use std::io::{self, Read, Write, copy};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::{env, fs, thread};

use nix::errno::Errno;
use nix::libc::{self, sockaddr_vm};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, listen, socket};

const USAGE: &str = "usage: vsock-probe bind PORT | connect CID PORT [SOURCE-PORT] | sibling CID PORT [SOURCE-PORT] | echo PORT";
/// `VMADDR_FLAG_TO_HOST` (linux/vm_sockets.h): to a sibling guest by way of the host.
const TO_HOST: u8 = 1;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // Only guests are booted so.
    let ours = |line: String| line.contains("lab.shell") || line.contains("tether.channel=");
    if !fs::read_to_string("/proc/cmdline").is_ok_and(ours) {
        eprintln!("vsock-probe: runs in a guest of the lab only");
        return ExitCode::FAILURE;
    }
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
        Err(Failure::Refused(errno)) => {
            println!("{errno:?}");
            ExitCode::FAILURE
        }
        Err(Failure::Stream(error)) => {
            eprintln!("vsock-probe: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Usage,
    /// By the kernel; its name goes to standard output.
    Refused(Errno),
    Stream(io::Error),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Stream(error)
    }
}

fn run(words: &[&str]) -> Result<(), Failure> {
    match words {
        ["bind", port] => bound(number(port)?).map(drop),
        ["connect", cid, port] => converse(number(cid)?, number(port)?, None, 0),
        ["connect", cid, port, from] => {
            converse(number(cid)?, number(port)?, Some(number(from)?), 0)
        }
        ["sibling", cid, port] => converse(number(cid)?, number(port)?, None, TO_HOST),
        ["sibling", cid, port, from] => {
            converse(number(cid)?, number(port)?, Some(number(from)?), TO_HOST)
        }
        ["echo", port] => echo(number(port)?),
        _ => Err(Failure::Usage),
    }
}

fn number(text: &str) -> Result<u32, Failure> {
    text.parse().map_err(|_| Failure::Usage)
}

/// Sends standard input, then prints what comes until the other end closes.
fn converse(cid: u32, port: u32, from: Option<u32>, flags: u8) -> Result<(), Failure> {
    let socket = match from {
        Some(from) => bound(from)?,
        None => stream()?,
    };
    call(&socket, &address(cid, port, flags), libc::connect)?;
    let mut stream = UnixStream::from(socket);
    let mut sending = stream.try_clone()?;
    let sender = thread::spawn(move || {
        copy(&mut io::stdin(), &mut sending).and_then(|_| sending.shutdown(Shutdown::Write))
    });
    copy(&mut stream, &mut io::stdout())?;
    drop(sender);
    Ok(())
}

/// Sends back what comes on each connection in turn, after a line that names the peer.
fn echo(port: u32) -> Result<(), Failure> {
    let socket = bound(port)?;
    listen(&socket, Backlog::new(16)?)?;
    println!("listening");
    loop {
        let (mut stream, cid, port) = accept(&socket)?;
        println!("peer {cid} {port}");
        io::stdout().flush()?;
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..count])?;
        }
    }
}

fn stream() -> Result<OwnedFd, Failure> {
    Ok(socket(
        AddressFamily::Vsock,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?)
}

fn bound(port: u32) -> Result<OwnedFd, Failure> {
    let socket = stream()?;
    call(&socket, &address(libc::VMADDR_CID_ANY, port, 0), libc::bind)?;
    Ok(socket)
}

#[expect(
    unsafe_code,
    reason = "neither libc nor nix has the flags of an AF_VSOCK address"
)]
fn address(cid: u32, port: u32, flags: u8) -> sockaddr_vm {
    // SAFETY: plain data, for which zeroes are a valid value.
    let mut address: sockaddr_vm = unsafe { std::mem::zeroed() };
    address.svm_family = libc::sa_family_t::try_from(libc::AF_VSOCK).unwrap_or_default();
    address.svm_cid = cid;
    address.svm_port = port;
    address.svm_zero[0] = flags;
    address
}

type SocketCall =
    unsafe extern "C" fn(libc::c_int, *const libc::sockaddr, libc::socklen_t) -> libc::c_int;

#[expect(unsafe_code, reason = "an address that nix can't express")]
fn call(socket: &OwnedFd, address: &sockaddr_vm, call: SocketCall) -> Result<(), Failure> {
    // SAFETY: the pointer and the size are those of one address that lives through the call.
    Errno::result(unsafe { call(socket.as_raw_fd(), (&raw const *address).cast(), size()) })?;
    Ok(())
}

#[expect(unsafe_code, reason = "the peer's CID and port come with accept only")]
fn accept(socket: &OwnedFd) -> Result<(UnixStream, u32, u32), Failure> {
    let mut peer = address(0, 0, 0);
    let mut length = size();
    // SAFETY: the kernel writes at most `length` bytes into `peer`.
    let fd = Errno::result(unsafe {
        libc::accept(socket.as_raw_fd(), (&raw mut peer).cast(), &raw mut length)
    })?;
    // SAFETY: a descriptor that accept just gave and that nobody else owns.
    Ok((
        unsafe { UnixStream::from_raw_fd(fd) },
        peer.svm_cid,
        peer.svm_port,
    ))
}

fn size() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<sockaddr_vm>()).unwrap_or_default()
}

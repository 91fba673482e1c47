//! A server that answers, and clients that ask it. Tests ask the same question where an answer must arrive and
//! where none may.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::deadline::readable;
use crate::namespace::Namespace;

/// For a client that says nothing.
const PATIENCE: Duration = Duration::from_secs(5);
const QUESTION: &[u8] = b"who is there?\n";

/// A server on one port over TCP and UDP, at every IPv4 and IPv6 address of its namespace. It answers with its name
/// and the address that the question came from. Runs until it is dropped.
#[derive(Debug)]
pub struct Responder {
    heard: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Responder {
    /// Starts a server on `port` in a namespace; `name` is the name in its answers.
    ///
    /// # Errors
    /// Returns the error of the system if the port cannot be bound.
    pub fn start(namespace: &Namespace, name: &str, port: u16) -> Result<Self> {
        let any = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
        let opened = namespace
            .run(|| Ok::<_, std::io::Error>((TcpListener::bind(any)?, UdpSocket::bind(any)?)))?;
        let (tcp, udp) =
            opened.with_context(|| format!("listen on port {port} in {}", namespace.name()))?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        let (heard, stop) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let serve = |work: Box<dyn Fn(&AtomicUsize) + Send>| {
            let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    work(&heard);
                }
            })
        };
        let (of_tcp, of_udp) = (name.to_owned(), name.to_owned());
        let threads = vec![
            serve(Box::new(move |heard| {
                if readable(&tcp)
                    && let Ok((stream, from)) = tcp.accept()
                {
                    heard.fetch_add(1, Ordering::Relaxed);
                    let name = of_tcp.clone();
                    // A client that stays is served beside the others.
                    thread::spawn(move || answer_stream(stream, &name, from));
                }
            })),
            serve(Box::new(move |heard| {
                let mut question = [0; 64];
                if readable(&udp)
                    && let Ok((_, from)) = udp.recv_from(&mut question)
                {
                    heard.fetch_add(1, Ordering::Relaxed);
                    // The client may have gone away.
                    let _ = udp.send_to(answer(&of_udp, from).as_bytes(), from);
                }
            })),
        ];
        Ok(Self {
            heard,
            stop,
            threads,
        })
    }

    /// Returns how many TCP connections and UDP datagrams have arrived so far, both counted together.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does not panic; and a test that fails already must not fail twice.
            let _ = thread.join();
        }
    }
}

fn answer(name: &str, from: SocketAddr) -> String {
    format!("{name} {}", from.ip().to_canonical())
}

/// Answers each line, for as long as the client likes.
fn answer_stream(mut stream: TcpStream, name: &str, from: SocketAddr) {
    let mut question = [0; 64];
    let patient = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(Some(PATIENCE)));
    while patient.is_ok() && matches!(stream.read(&mut question), Ok(1..)) {
        if stream.write_all(answer(name, from).as_bytes()).is_err() {
            return;
        }
    }
}

/// The protocol by which a client asks a server ([`ask`]), with the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A TCP connection to this port, on which one line is sent. The answer is the first bytes that arrive.
    Tcp(u16),
    /// A UDP datagram to this port. The answer is the first datagram that arrives.
    Udp(u16),
    /// An HTTP request, `GET /`, to this port. The answer is the body, whatever the status is.
    Http(u16),
    /// A TCP connection to this port, on which this text is sent. The answer is everything until the server closes.
    Typed(u16, &'static str),
    /// An ICMP or ICMPv6 echo request. Its answer is an empty text.
    Echo,
}

/// Asks the server at `to` from a namespace, and returns its answer. Returns `None` if no answer arrives, or if the
/// server refuses; `within` is the limit for the connection, and again for the answer. A [`Responder`] answers with its
/// name and the client's address as it sees it.
///
/// # Errors
/// Returns an error if the namespace cannot be entered or `ping` cannot be run.
pub fn ask(from: &Namespace, to: IpAddr, way: Way, within: Duration) -> Result<Option<String>> {
    match way {
        Way::Tcp(port) => from.run(|| ask_stream(SocketAddr::new(to, port), within)),
        Way::Udp(port) => from.run(|| ask_datagram(SocketAddr::new(to, port), within)),
        Way::Http(port) => from.run(|| get(SocketAddr::new(to, port), within)),
        Way::Typed(port, words) => from.run(|| typed(SocketAddr::new(to, port), words, within)),
        Way::Echo => Ok(echo(from, to, within)?.then(String::new)),
    }
}

fn ask_stream(to: SocketAddr, within: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&to, within).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    ask_again(&mut stream)
}

/// Asks a [`Responder`] on a connection that is open already, and returns its answer. Returns `None` if the connection
/// is broken, or no answer arrives within the stream's read timeout, which the caller sets.
pub fn ask_again(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(QUESTION).ok()?;
    let mut answer = [0; 128];
    let length = stream.read(&mut answer).ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn get(to: SocketAddr, within: Duration) -> Option<String> {
    let answer = typed(to, "GET / HTTP/1.0\r\n\r\n", within)?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    Some(body.to_owned())
}

fn typed(to: SocketAddr, words: &str, within: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&to, within).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    stream.write_all(words.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn ask_datagram(to: SocketAddr, within: Duration) -> Option<String> {
    let any: SocketAddr = if to.is_ipv4() {
        "0.0.0.0:0".parse().ok()?
    } else {
        "[::]:0".parse().ok()?
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.set_read_timeout(Some(within)).ok()?;
    socket.connect(to).ok()?;
    socket.send(QUESTION).ok()?;
    let mut answer = [0; 128];
    let length = socket.recv(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// Returns whether one echo request is answered; `ping` waits whole seconds.
pub(crate) fn echo(from: &Namespace, to: IpAddr, within: Duration) -> Result<bool> {
    let mut command = Command::new("ping");
    let seconds = within.as_secs().max(1).to_string();
    command
        .args(["-n", "-q", "-c", "1", "-W", &seconds])
        .arg(to.to_string());
    let output = from.output(command)?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        // No route: nothing was sent.
        Some(2) if String::from_utf8_lossy(&output.stderr).contains("unreachable") => Ok(false),
        _ => bail!(
            "ping {to}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ),
    }
}

//! How much passes a limited port: bytes of frames as the receiver's interface counts them.
//!
//! A window of two seconds each; with `VCH_LONG=1` of ten.

use super::*;
use crate::{
    segments::tap::Tap,
    testing::{
        namespace::{Neighbour, Room},
        samples::limited,
    },
};
use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

/// How far from the rate it may be.
const TOLERANCE: f64 = 0.03;
/// What else runs here may keep a sender from its processor: so often it is tried whether the rate is reached. It is
/// exceeded in none.
const TRIES: usize = 4;
const RATES: [(&str, f64); 2] = [("10mbit", 10e6), ("100mbit", 100e6)];

fn window() -> Duration {
    let long = std::env::var_os("VCH_LONG").is_some_and(|value| value == "1");
    Duration::from_secs(if long { 10 } else { 2 })
}

/// Ends what sends and receives when it is dropped.
#[derive(Default)]
struct Flows {
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Flows {
    fn spawn(&mut self, mut work: impl FnMut() -> std::io::Result<()> + Send + 'static) {
        let stop = Arc::clone(&self.stop);
        self.threads.push(thread::spawn(move || {
            // What ends in an error has nobody at its other end any more.
            while !stop.load(Ordering::Relaxed) && work().is_ok() {}
        }));
    }

    /// TCP from one namespace to the other.
    fn tcp(&mut self, from: &Neighbour, to: &Neighbour, address: SocketAddr) {
        let listener = to.run(move || TcpListener::bind(address).unwrap());
        let sender = from.run(move || TcpStream::connect(address).unwrap());
        let (receiver, _) = listener.accept().unwrap();
        for stream in [&sender, &receiver] {
            stream
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            stream
                .set_write_timeout(Some(Duration::from_millis(100)))
                .unwrap();
        }
        let waits = |done: std::io::Result<usize>| match done {
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        };
        self.spawn(move || waits((&sender).write(&[0; 128 << 10])));
        self.spawn(move || {
            let mut buffer = [0; 128 << 10];
            waits((&receiver).read(&mut buffer))
        });
    }

    /// UDP from one namespace to an address, one and a half times as much as the rate.
    fn udp(&mut self, from: &Neighbour, to: SocketAddr, rate: f64) {
        const DATAGRAM: [u8; 1400] = [0; 1400];
        let socket = from.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
        self.paced(rate, 1400.0, move || {
            // What the queue has no room for is lost, as it is meant.
            let _ = socket.send_to(&DATAGRAM, to);
        });
    }

    /// Calls `send` so often that one and a half times the rate is sent.
    fn paced(&mut self, rate: f64, bytes: f64, mut send: impl FnMut() + Send + 'static) {
        let (never, tick) = mpsc::channel::<()>();
        let begin = Instant::now();
        let mut sent = 0.0;
        self.spawn(move || {
            // A socket whose packets wait may hold it up: then it is behind for good.
            if sent < begin.elapsed().as_secs_f64() * rate * 1.5 / 8.0 {
                send();
                sent += bytes;
            } else {
                let _ = (&never, tick.recv_timeout(Duration::from_millis(1)));
            }
            Ok(())
        });
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Bytes of frames that an interface has received.
fn received(link: &str) -> u64 {
    let told = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let head = format!("{link}:");
    let line = told
        .lines()
        .find_map(|line| line.trim().strip_prefix(&head));
    let first = line.unwrap().split_whitespace().next().unwrap();
    first.parse().unwrap()
}

/// Measures by what several counters grow, each as a part of its rate. Waits until the flows are under way.
async fn measure(counters: &[(&dyn Fn() -> u64, f64)], what: &str) {
    let read = || {
        counters
            .iter()
            .map(|(count, _)| count())
            .collect::<Vec<_>>()
    };
    let first = read();
    eventually("something passes", || {
        let now = read().into_iter().zip(&first).zip(counters);
        now.fold(true, |all, ((now, first), (_, rate))| {
            all && (now - first) as f64 * 8.0 > rate * 0.3
        })
    })
    .await;
    let mut reached = vec![false; counters.len()];
    for attempt in 0..TRIES {
        let (before, begin) = (read(), Instant::now());
        tokio::time::sleep(window()).await;
        let (after, took) = (read(), begin.elapsed().as_secs_f64());
        let parts = after.iter().zip(&before).zip(counters);
        let parts =
            parts.map(|((after, before), (_, rate))| (after - before) as f64 * 8.0 / took / rate);
        let parts: Vec<f64> = parts.collect();
        eprintln!("{what}: {parts:.4?} of the rates");
        for (part, reached) in parts.iter().zip(&mut reached) {
            assert!(*part < 1.0 + TOLERANCE, "{what}: {parts:?}, try {attempt}");
            *reached |= *part > 1.0 - TOLERANCE;
        }
        if reached.iter().all(|reached| *reached) {
            return;
        }
    }
    panic!("{what}: the rate is not reached in {TRIES} tries");
}

/// A namespace on `br-1` with that address.
async fn attach(segments: &Segments, room: &Room, number: u8, rate: Option<&str>) -> Neighbour {
    let neighbour = room.neighbour();
    let mut port = veth(&format!("vt-{number}"), &neighbour);
    if let PortKind::Veth { mac, .. } = &mut port.kind {
        *mac = [2, 0, 0, 0, 0, number].try_into().unwrap();
    }
    let port = match rate {
        Some(rate) => limited(port, rate),
        None => port,
    };
    segments.ensure_port(&port).await.unwrap();
    neighbour.run(move || {
        ip(&format!("addr add 172.18.0.{number}/16 dev eth0"));
        ip("link set eth0 up");
    });
    neighbour
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([172, 18, 0, number], 7000 + u16::from(number)))
}

#[test]
fn tcp_and_udp_pass_at_the_rate_both_ways() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        let mut pairs = Vec::new();
        for (number, (rate, bits)) in RATES.into_iter().enumerate() {
            let number = 10 * (1 + u8::try_from(number).unwrap());
            let limited = attach(&segments, &room, number, Some(rate)).await;
            let other = attach(&segments, &room, number + 1, None).await;
            pairs.push((number, bits, limited, other));
        }
        let counts: Vec<[Box<dyn Fn() -> u64>; 2]> = pairs
            .iter()
            .map(|(_, _, limited, other)| {
                let count = |neighbour: &Neighbour| neighbour.run(|| received("eth0"));
                [
                    Box::new(move || count(limited)) as Box<dyn Fn() -> u64>,
                    Box::new(move || count(other)) as Box<dyn Fn() -> u64>,
                ]
            })
            .collect();
        let counters = |way: usize| {
            let pairs = pairs.iter().zip(&counts);
            let counters = pairs.map(move |((_, bits, ..), counts)| (&*counts[way], *bits));
            counters.collect::<Vec<_>>()
        };
        let (to, from) = (counters(0), counters(1));

        let mut flows = Flows::default();
        for (number, _, limited, other) in &pairs {
            flows.tcp(other, limited, address(*number));
        }
        measure(&to, "TCP to it").await;
        drop(flows);
        let mut flows = Flows::default();
        for (number, _, limited, other) in &pairs {
            flows.tcp(limited, other, address(number + 1));
        }
        measure(&from, "TCP from it").await;
        drop(flows);
        let mut flows = Flows::default();
        for (number, bits, limited, other) in &pairs {
            flows.udp(other, address(*number), *bits);
            flows.udp(limited, address(number + 1), *bits);
        }
        measure(&[to, from].concat(), "UDP to it and from it").await;
    });
}

/// Frames that a guest's TCP hands over at once: one packet of 44 segments, behind its `virtio_net_hdr`.
fn super_packet(to: [u8; 6]) -> Vec<u8> {
    const SEGMENT: u16 = 1448;
    const HEADERS: u16 = 66;
    let data = vec![0; 44 * usize::from(SEGMENT)];
    // linux/virtio_net.h: its checksum is to be filled in, it is TCP over IPv4, then lengths and places of it.
    let mut packet = vec![1, 1];
    for number in [HEADERS, SEGMENT, 34, 16] {
        packet.extend(number.to_le_bytes());
    }
    packet.extend(to);
    packet.extend([2, 0, 0, 0, 0, 9, 8, 0]);
    let length = u16::try_from(data.len() + 52).unwrap();
    let mut ip = vec![0x45, 0];
    ip.extend(length.to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 172, 18, 0, 9, 172, 18, 0, 4]);
    let words = ip
        .chunks(2)
        .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    ip[10..12].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
    packet.extend(ip);
    // RFC 9293: ports, numbers, a header of 32 bytes with ACK, and room for options.
    packet.extend([
        0x1b, 0x58, 0x1b, 0x59, 0, 0, 0, 1, 0, 0, 0, 1, 0x80, 16, 0x20, 0,
    ]);
    packet.extend([0, 0, 0, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 1]);
    packet.extend(data);
    packet
}

#[test]
fn frames_of_a_vm_pass_at_the_rate_also_where_it_sends_many_as_one_packet() {
    in_namespace(async |room| {
        let (segments, _thread) = spawn().await;
        let bridge = bridge("br-1", &[GATEWAY]);
        segments.ensure_bridge(&bridge).await.unwrap();
        let port = limited(tap("vt-1"), "100mbit");
        segments.ensure_port(&port).await.unwrap();
        let other = attach(&segments, &room, 4, None).await;
        ip("neigh add 172.18.0.9 lladdr 02:00:00:00:00:09 dev br-1");
        let guest = Arc::new(Tap::open_existing(&port.name).unwrap().into_guest());
        let mut flows = Flows::default();

        // The VM reads: each read is a frame behind its header of 10 bytes.
        let counted = Arc::new(AtomicU64::new(0));
        let (reader, count) = (Arc::clone(&guest), Arc::clone(&counted));
        nix::fcntl::fcntl(
            &*guest,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )
        .unwrap();
        flows.spawn(move || {
            let mut frame = vec![0; 70_000];
            wait_readable(&reader);
            while let Ok(length) = (&*reader).read(&mut frame) {
                count.fetch_add(length as u64 - 10, Ordering::Relaxed);
            }
            Ok(())
        });
        let socket = UdpSocket::bind("172.18.0.1:0").unwrap();
        flows.paced(100e6, 1400.0, move || {
            let _ = socket.send_to(&[0; 1400], "172.18.0.9:7000");
        });
        let packet = super_packet([2, 0, 0, 0, 0, 4]);
        flows.paced(100e6, packet.len() as f64, move || {
            (&*guest).write_all(&packet).unwrap();
        });
        let to = || counted.load(Ordering::Relaxed);
        let from = || other.run(|| received("eth0"));
        measure(&[(&to, 100e6), (&from, 100e6)], "to a tap and from it").await;
    });
}

fn wait_readable(file: &File) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    let _ = poll(&mut fds, PollTimeout::from(100_u8));
}

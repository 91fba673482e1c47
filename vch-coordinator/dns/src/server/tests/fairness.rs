//! Clients that flood, and upstream servers that are silent, lie, or answer late.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use domain::base::Message;
use domain::base::iana::{Rcode, Rtype};

use super::support::{NET, PATIENCE, Served, data, own_address, query, rcode, receive};
use super::upstream::{Upstream, address_of};
use crate::{Config, NetworkId, View};

fn config(upstreams: &[SocketAddr]) -> Config {
    Config {
        threads: 1,
        upstreams: upstreams.to_vec(),
        upstream_timeout: Duration::from_secs(3),
        upstream_deadline: Duration::from_secs(8),
        max_outstanding: 64,
        max_outstanding_per_client: 32,
        ..Config::default()
    }
}

/// Returns a socket of one of a container's addresses.
fn of_container(served: &Served, container: u128) -> UdpSocket {
    let source = own_address();
    let view = View {
        client: Some(NetworkId(container)),
        ..View::of(&[NET])
    };
    served.names.set_asker(NET, source, &view).unwrap();
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.connect(served.at).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// Answers for names that begin with `good`, and is silent for all others.
fn silent_but_for_good() -> Upstream {
    Upstream::new(|query, _| {
        let question = query.sole_question().unwrap();
        let name = question.qname().to_string().to_lowercase();
        match name.starts_with("good") {
            true => vec![address_of(query, &[[192, 0, 2, 1]])],
            false => Vec::new(),
        }
    })
}

#[test]
fn containers_that_fill_the_forwarding_keep_no_other_from_its_answer() {
    let upstream = silent_but_for_good();
    let served = Served::with(config(&[upstream.at]));
    // Each floods from three addresses, as one on three networks can.
    for container in 1..=4 {
        let sockets: Vec<_> = (0..3).map(|_| of_container(&served, container)).collect();
        // As many as the gateway's socket has room for.
        let before = served.server.stats().forwarded;
        for (n, socket) in (0..100_u16).zip(sockets.iter().cycle()) {
            let name = format!("silent{n}.of{container}.example");
            socket.send(&query(n, &name, Rtype::A)).unwrap();
        }
        let until = Instant::now() + PATIENCE;
        while served.server.stats().forwarded < before + 100 {
            assert!(Instant::now() < until, "{:?}", served.server.stats());
            std::thread::yield_now();
        }
    }
    let quiet = of_container(&served, 99);
    for n in 0..20 {
        let since = Instant::now();
        quiet
            .send(&query(n, &format!("good{n}.example"), Rtype::A))
            .unwrap();
        let reply = receive(&quiet);
        assert_eq!(data(&reply), ["192.0.2.1"], "question {n}");
        assert!(
            since.elapsed() < Duration::from_secs(1),
            "{:?}",
            since.elapsed()
        );
    }
}

#[test]
fn a_containers_addresses_have_one_share_together() {
    let upstream = silent_but_for_good();
    let served = Served::with(config(&[upstream.at]));
    let sockets: Vec<_> = (0..3).map(|_| of_container(&served, 1)).collect();
    for (n, socket) in (0..33_u16).zip(sockets.iter().cycle()) {
        let name = format!("silent{n}.example");
        socket.send(&query(n, &name, Rtype::A)).unwrap();
    }
    // The last one was beyond the container's share of 32, whichever address it came from.
    let reply = receive(&sockets[32 % 3]);
    assert_eq!((rcode(&reply), reply.header().id()), (Rcode::SERVFAIL, 32));
}

#[test]
fn equal_questions_in_flight_are_asked_once_and_answered_each() {
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    // It answers once all have asked.
    let late = Upstream::new(move |query, _| {
        let _ = gate.lock().unwrap().recv_timeout(PATIENCE);
        vec![address_of(query, &[[192, 0, 2, 2]])]
    });
    let served = Served::with(config(&[late.at]));
    let sockets: Vec<_> = (1..=20).map(|n| of_container(&served, n)).collect();
    for (n, socket) in (0..20_u16).zip(&sockets) {
        // A client that asks again while it waits is answered once.
        for _ in 0..3 {
            socket.send(&query(n, "same.example", Rtype::A)).unwrap();
        }
    }
    let until = Instant::now() + PATIENCE;
    while served.server.stats().forwarded < 60 {
        assert!(Instant::now() < until, "{:?}", served.server.stats());
        std::thread::yield_now();
    }
    open.send(()).unwrap();
    for (n, socket) in sockets.iter().enumerate() {
        let reply = receive(socket);
        assert_eq!(data(&reply), ["192.0.2.2"]);
        assert_eq!(usize::from(reply.header().id()), n);
    }
    assert_eq!(late.queries(), 1);
}

#[test]
fn a_client_that_floods_fills_its_own_share_and_another_is_answered() {
    let served = Served::with(Config {
        max_waiting: 8,
        ..config(&[])
    });
    let (greedy, quiet) = (of_container(&served, 1), of_container(&served, 2));
    let held = served.server.hold(0);
    for n in 0..100 {
        greedy.send(&query(n, "localhost", Rtype::A)).unwrap();
    }
    quiet.send(&query(7, "localhost", Rtype::A)).unwrap();
    drop(held);
    assert_eq!(data(&receive(&quiet)), ["127.0.0.1"]);
    for n in 0..4 {
        assert_eq!(receive(&greedy).header().id(), n);
    }
    let stats = served.server.stats();
    assert_eq!((stats.answered, stats.beyond), (5, 96));
}

#[test]
fn a_client_that_floods_at_full_speed_starves_no_other() {
    let served = Served::with(config(&[]));
    let flooding = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let greedy = of_container(&served, 1);
        let flooding = &flooding;
        scope.spawn(move || {
            let question = query(1, "localhost", Rtype::A);
            while flooding.load(Ordering::Relaxed) {
                // Its own queue may be full.
                let _ = greedy.send(&question);
            }
        });
        let quiet = of_container(&served, 2);
        quiet
            .set_read_timeout(Some(Duration::from_millis(250)))
            .unwrap();
        let mut lost = 0;
        for n in 0..200 {
            // As resolvers do: a question without an answer is asked again.
            let answered = (0..20).any(|_| {
                quiet.send(&query(n, "localhost", Rtype::A)).unwrap();
                let answer = quiet.recv(&mut [0; 512]);
                lost += u32::from(answer.is_err());
                answer.is_ok()
            });
            assert!(answered, "question {n}, {:?}", served.server.stats());
        }
        flooding.store(false, Ordering::Relaxed);
        println!("{lost} of 200 lost; {:?}", served.server.stats());
    });
}

#[test]
fn a_client_is_answered_however_fast_it_asks() {
    let served = Served::with(Config {
        max_waiting: 64,
        ..config(&[])
    });
    let fast = of_container(&served, 1);
    for round in 0..1_000_u16 {
        for n in 0..32 {
            fast.send(&query(round ^ n, "localhost", Rtype::A)).unwrap();
        }
        for n in 0..32 {
            assert_eq!(receive(&fast).header().id(), round ^ n);
        }
    }
    let stats = served.server.stats();
    assert_eq!((stats.answered, stats.beyond), (32_000, 0));
}

/// Starts an upstream server that records the names it was asked, in the case of their letters.
fn recording(
    behave: impl Fn(&str, bool) -> AnswerStyle + Send + Sync + 'static,
) -> (Upstream, SeenNames) {
    let names = SeenNames::default();
    let seen = Arc::clone(&names);
    let upstream = Upstream::new(move |query, by_tcp| {
        let name = query.sole_question().unwrap().qname().to_string();
        seen.lock().unwrap().push((name.clone(), by_tcp));
        match behave(&name, by_tcp) {
            AnswerStyle::None => Vec::new(),
            AnswerStyle::AsAsked(address) => vec![address_of(query, &[address])],
            AnswerStyle::Lowered(address) => vec![address_of(&lowered(query), &[address])],
            AnswerStyle::LoweredFirst(bad, good) => vec![
                address_of(&lowered(query), &[bad]),
                address_of(query, &[good]),
            ],
        }
    });
    (upstream, names)
}

type SeenNames = Arc<Mutex<Vec<(String, bool)>>>;

enum AnswerStyle {
    None,
    AsAsked([u8; 4]),
    Lowered([u8; 4]),
    LoweredFirst([u8; 4], [u8; 4]),
}

/// Returns the query as a server repeats it that changes the case of letters, or a forger that
/// guesses it.
fn lowered(query: &Message<Vec<u8>>) -> Message<Vec<u8>> {
    let mut octets = query.as_slice().to_vec();
    octets[12..].make_ascii_lowercase();
    Message::from_octets(octets).unwrap()
}

const LONG_NAME: &str = "abcdefghijklmnopqrstuvwxyz.abcdefghijklmnopqrstuvwxyz.example";

#[test]
fn questions_are_asked_in_mixed_letters_and_the_client_sees_its_own() {
    let (upstream, names) = recording(|_, _| AnswerStyle::AsAsked([192, 0, 2, 3]));
    let served = Served::with(config(&[upstream.at]));
    for _ in 0..5 {
        let reply = served.ask(LONG_NAME, Rtype::A);
        assert_eq!(data(&reply), ["192.0.2.3"]);
        let question = reply.sole_question().unwrap();
        assert_eq!(question.qname().to_string(), LONG_NAME);
    }
    let names: BTreeSet<_> = names.lock().unwrap().iter().cloned().collect();
    assert_eq!(names.len(), 5, "each time in other letters");
}

#[test]
fn a_forger_who_guesses_all_but_the_letters_is_not_believed() {
    let (upstream, _) = recording(|_, by_tcp| match by_tcp {
        false => AnswerStyle::LoweredFirst([6, 6, 6, 6], [192, 0, 2, 4]),
        true => AnswerStyle::AsAsked([192, 0, 2, 4]),
    });
    let served = Served::with(config(&[upstream.at]));
    assert_eq!(data(&served.ask(LONG_NAME, Rtype::A)), ["192.0.2.4"]);
}

#[test]
fn a_server_that_changes_letters_is_asked_by_tcp() {
    let (upstream, names) = recording(|_, _| AnswerStyle::Lowered([192, 0, 2, 5]));
    let served = Served::with(config(&[upstream.at]));
    assert_eq!(data(&served.ask(LONG_NAME, Rtype::A)), ["192.0.2.5"]);
    let ways: Vec<bool> = names
        .lock()
        .unwrap()
        .iter()
        .map(|(_, by_tcp)| *by_tcp)
        .collect();
    assert_eq!(ways, [false, true]);
}

#[test]
fn a_server_that_changes_letters_and_knows_no_tcp_is_asked_as_it_was_written() {
    let (upstream, names) = recording(|_, by_tcp| match by_tcp {
        false => AnswerStyle::Lowered([192, 0, 2, 6]),
        true => AnswerStyle::None,
    });
    let served = Served::with(config(&[upstream.at]));
    for _ in 0..2 {
        assert_eq!(data(&served.ask(LONG_NAME, Rtype::A)), ["192.0.2.6"]);
    }
    let names = names.lock().unwrap();
    let (last, by_tcp) = names.last().unwrap();
    assert_eq!((last.as_str(), *by_tcp), (LONG_NAME, false));
    assert_eq!(
        names.len(),
        4,
        "the second question was asked plainly at once: {names:?}"
    );
}

//! Outside names, asked of fake upstream servers on loopback.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use domain::base::Message;
use domain::base::iana::{Rcode, Rtype};

use super::support::{NET, PATIENCE, Served, data, dig, own_address, query, rcode, receive, udp};
use super::upstream::{Upstream, address_of, empty};
use crate::{Config, ConfigError, ListenError, Name, NamesError, Network, NetworkId, Server, View};

fn asking(upstreams: &[SocketAddr]) -> Config {
    Config {
        upstreams: upstreams.to_vec(),
        upstream_timeout: Duration::from_millis(400),
        upstream_deadline: Duration::from_secs(4),
        ..Config::default()
    }
}

#[test]
fn a_name_that_is_not_ours_is_answered_from_upstream() {
    let upstream = Upstream::knowing([192, 0, 2, 1]);
    let served = Served::with(asking(&[upstream.at]));
    let reply = served.ask("www.example.org", Rtype::A);
    assert_eq!(data(&reply), ["192.0.2.1"]);
    assert!(!reply.header().aa());
    assert_eq!(
        dig(served.at, &["+short", "www.example.org"]),
        "192.0.2.1\n"
    );
    let by_tcp = dig(served.at, &["+short", "+tcp", "www.example.org"]);
    assert_eq!(by_tcp, "192.0.2.1\n");
    assert_eq!(served.server.stats().forwarded, 3);
}

#[test]
fn a_silent_server_is_passed_over_and_then_asked_last() {
    let (silent, good) = (Upstream::unresponsive(), Upstream::knowing([192, 0, 2, 2]));
    let served = Served::with(asking(&[silent.at, good.at]));
    let since = Instant::now();
    assert_eq!(data(&served.ask("a.example", Rtype::A)), ["192.0.2.2"]);
    assert!(since.elapsed() >= Duration::from_millis(400));
    assert_eq!((silent.queries(), good.queries()), (1, 1));
    assert_eq!(data(&served.ask("b.example", Rtype::A)), ["192.0.2.2"]);
    assert_eq!((silent.queries(), good.queries()), (1, 2));
}

#[test]
fn a_server_that_fails_refuses_or_is_not_there_is_passed_over_at_once() {
    let closed = UdpSocket::bind((own_address(), 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let failing = Upstream::saying(Rcode::SERVFAIL);
    let refusing = Upstream::saying(Rcode::REFUSED);
    let good = Upstream::knowing([192, 0, 2, 3]);
    let mut config = asking(&[closed, failing.at, refusing.at, good.at]);
    config.upstream_timeout = PATIENCE;
    config.upstream_deadline = PATIENCE;
    let served = Served::with(config);
    let since = Instant::now();
    assert_eq!(data(&served.ask("a.example", Rtype::A)), ["192.0.2.3"]);
    assert!(since.elapsed() < PATIENCE / 2);
    assert_eq!((failing.queries(), refusing.queries()), (1, 1));
}

#[test]
fn when_none_answers_the_client_is_told_so() {
    let (silent, failing) = (Upstream::unresponsive(), Upstream::saying(Rcode::SERVFAIL));
    let served = Served::with(asking(&[silent.at, failing.at]));
    let reply = served.ask("a.example", Rtype::A);
    assert_eq!(rcode(&reply), Rcode::SERVFAIL);
    // A lost datagram looks like silence: the silent one had a second try.
    assert_eq!((silent.queries(), failing.queries()), (2, 1));
    let without = Served::with(asking(&[]));
    assert_eq!(rcode(&without.ask("a.example", Rtype::A)), Rcode::SERVFAIL);
}

#[test]
fn the_deadline_over_all_tries_is_kept() {
    let silent: Vec<Upstream> = (0..4).map(|_| Upstream::unresponsive()).collect();
    let servers: Vec<SocketAddr> = silent.iter().map(|upstream| upstream.at).collect();
    let mut config = asking(&servers);
    config.upstream_deadline = Duration::from_millis(600);
    let served = Served::with(config);
    let since = Instant::now();
    assert_eq!(rcode(&served.ask("a.example", Rtype::A)), Rcode::SERVFAIL);
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(600) && took < PATIENCE / 2);
    assert_eq!(silent.iter().map(Upstream::queries).sum::<usize>(), 2);
}

#[test]
fn a_name_that_does_not_exist_upstream_does_not_exist() {
    let (first, second) = (
        Upstream::saying(Rcode::NXDOMAIN),
        Upstream::knowing([192, 0, 2, 4]),
    );
    let served = Served::with(asking(&[first.at, second.at]));
    assert_eq!(rcode(&served.ask("a.example", Rtype::A)), Rcode::NXDOMAIN);
    assert_eq!(second.queries(), 0);
}

#[test]
fn false_answers_are_not_believed() {
    let upstream = Upstream::new(|query, _| {
        let good = address_of(query, &[[192, 0, 2, 5]]);
        let mut other_id = address_of(query, &[[6, 6, 6, 6]]);
        other_id[0] ^= 1;
        let mut other_name = address_of(query, &[[6, 6, 6, 6]]);
        other_name[13] ^= 3;
        let mut no_answer = address_of(query, &[[6, 6, 6, 6]]);
        no_answer[2] &= 0x7f;
        vec![other_id, other_name, no_answer, vec![1, 2, 3], good]
    });
    let served = Served::with(asking(&[upstream.at]));
    assert_eq!(data(&served.ask("a.example", Rtype::A)), ["192.0.2.5"]);
}

#[test]
fn ids_and_ports_towards_upstream_are_new_for_each_question() {
    let upstream = Upstream::knowing([192, 0, 2, 6]);
    let served = Served::with(asking(&[upstream.at]));
    for _ in 0..50 {
        served.ask("a.example", Rtype::A);
    }
    let asked: Vec<_> = upstream.asked.lock().unwrap().try_iter().collect();
    let ports: BTreeSet<u16> = asked.iter().map(|(source, _)| source.port()).collect();
    let ids: BTreeSet<u16> = asked.iter().map(|(_, id)| *id).collect();
    // Chance repeats a few: 50 of 28,000 ports and of 65,536 ids.
    assert!(ports.len() > 45 && ids.len() > 45, "{ports:?} {ids:?}");
    let steps: BTreeSet<u16> = ids
        .iter()
        .zip(ids.iter().skip(1))
        .map(|(a, b)| b - a)
        .collect();
    assert!(steps.len() > 20, "the ids follow a pattern: {ids:?}");
}

#[test]
fn questions_over_the_bound_fail_at_once() {
    let silent = Upstream::unresponsive();
    let mut config = asking(&[silent.at]);
    config.threads = 1;
    config.max_outstanding = 4;
    config.upstream_timeout = PATIENCE;
    config.upstream_deadline = PATIENCE;
    let served = Served::with(config);
    let socket = udp(served.at);
    for id in 0..10 {
        socket.send(&query(id, "a.example", Rtype::A)).unwrap();
    }
    for id in 4..10 {
        let reply = receive(&socket);
        assert_eq!((reply.header().id(), rcode(&reply)), (id, Rcode::SERVFAIL));
    }
}

#[test]
fn one_client_cannot_take_all_outstanding_queries() {
    let silent = Upstream::unresponsive();
    let mut config = asking(&[silent.at]);
    config.max_outstanding_per_client = 1;
    config.upstream_timeout = PATIENCE;
    config.upstream_deadline = PATIENCE;
    let served = Served::with(config);
    let socket = udp(served.at);
    for id in 0..2 {
        socket.send(&query(id, "a.example", Rtype::A)).unwrap();
    }
    let reply = receive(&socket);
    assert_eq!((reply.header().id(), rcode(&reply)), (1, Rcode::SERVFAIL));
    let until = Instant::now() + PATIENCE;
    while silent.queries() == 0 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    // Another client of the same network still has room.
    let other = UdpSocket::bind("127.0.0.9:0").unwrap();
    other
        .send_to(&query(3, "b.example", Rtype::A), served.at)
        .unwrap();
    while silent.queries() == 1 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
}

#[test]
fn a_large_answer_comes_by_tcp_to_who_asks_by_tcp() {
    let upstream = Upstream::new(|query, tcp| {
        if !tcp {
            return vec![empty(query, Rcode::NOERROR, true)];
        }
        let addresses: Vec<_> = (0..200).map(|last| [192, 0, 2, last]).collect();
        vec![address_of(query, &addresses)]
    });
    let served = Served::with(asking(&[upstream.at]));
    let cut = served.ask("a.example", Rtype::A);
    assert!(cut.header().tc() && data(&cut).is_empty());
    let whole = served.connect().ask("a.example", Rtype::A);
    assert_eq!(data(&whole).len(), 200);
    assert!(!whole.header().tc());
    assert_eq!(upstream.queries(), 3);
}

#[test]
fn answers_of_upstream_come_back_on_one_connection_in_any_order() {
    let (silent, good) = (Upstream::unresponsive(), Upstream::knowing([192, 0, 2, 7]));
    let served = Served::with(asking(&[silent.at, good.at]));
    let mut client = served.connect();
    for id in 0..100 {
        client.send(&query(id, "a.example", Rtype::A));
    }
    let ids: BTreeSet<u16> = (0..100).map(|_| client.receive().header().id()).collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn who_is_on_internal_networks_alone_is_not_asked_for() {
    let upstream = Upstream::knowing([192, 0, 2, 8]);
    let served = Served::with(asking(&[upstream.at]));
    let network = Network {
        internal: true,
        subnets: vec!["127.0.0.0/8".parse().unwrap()],
        ttl: None,
    };
    served.names.declare_network(NET, network).unwrap();
    assert_eq!(rcode(&served.ask("a.example", Rtype::A)), Rcode::NXDOMAIN);
    assert_eq!(
        rcode(&served.ask("1.0.0.127.in-addr.arpa", Rtype::PTR)),
        Rcode::NXDOMAIN
    );
    assert_eq!(upstream.queries(), 0);
}

#[test]
fn upstream_servers_are_replaced_while_the_server_runs() {
    let (first, second) = (
        Upstream::knowing([192, 0, 2, 9]),
        Upstream::knowing([192, 0, 2, 10]),
    );
    let served = Served::with(asking(&[first.at]));
    assert_eq!(data(&served.ask("a.example", Rtype::A)), ["192.0.2.9"]);
    served.server.set_upstreams(&[second.at]).unwrap();
    assert_eq!(data(&served.ask("a.example", Rtype::A)), ["192.0.2.10"]);
}

/// Asks from another address of this machine than the other tests do.
fn ask_from(source: IpAddr, at: SocketAddr, qname: &str) -> Message<Vec<u8>> {
    let socket = UdpSocket::bind((source, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(at).unwrap();
    socket.send(&query(1, qname, Rtype::A)).unwrap();
    receive(&socket)
}

fn with_own_servers(upstreams: &[SocketAddr]) -> View {
    View {
        client: None,
        networks: vec![NET],
        upstreams: upstreams.to_vec(),
    }
}

#[test]
fn an_asker_with_servers_of_its_own_has_them_asked_in_order_and_no_others() {
    let ours = Upstream::knowing([192, 0, 2, 20]);
    let silent = Upstream::unresponsive();
    let theirs = Upstream::new(|query, _| {
        let name = query.sole_question().unwrap().qname().to_string();
        let absent = name.eq_ignore_ascii_case("absent.example");
        vec![if absent {
            empty(query, Rcode::NXDOMAIN, false)
        } else {
            address_of(query, &[[192, 0, 2, 21]])
        }]
    });
    let served = Served::with(asking(&[ours.at]));
    let (one, other) = (own_address(), own_address());
    let view = with_own_servers(&[silent.at, theirs.at]);
    served.names.set_asker(NET, one, &view).unwrap();
    served
        .names
        .set_asker(NET, other, &View::of(&[NET]))
        .unwrap();

    let reply = ask_from(one, served.at, "a.example");
    assert_eq!(data(&reply), ["192.0.2.21"]);
    assert_eq!((silent.queries(), ours.queries()), (1, 0));
    // What its own server denies is not asked of the others.
    let reply = ask_from(one, served.at, "absent.example");
    assert_eq!(rcode(&reply), Rcode::NXDOMAIN);
    assert_eq!(ours.queries(), 0);

    let reply = ask_from(other, served.at, "a.example");
    assert_eq!(data(&reply), ["192.0.2.20"]);
    assert_eq!(theirs.queries(), 2);
    assert!(served.names.forget_asker(NET, one));
    let reply = ask_from(one, served.at, "a.example");
    assert_eq!(data(&reply), ["192.0.2.20"]);
}

#[test]
fn an_asker_is_not_led_to_another_network_by_naming_its_gateway_as_a_server() {
    let served = Served::with(asking(&[]));
    let secret = NetworkId(2);
    let gateway = served.server.listen(secret, own_address()).unwrap();
    let name: Name = "db.secret".parse().unwrap();
    let address = "172.19.0.2".parse().unwrap();
    served.names.publish(secret, &name, address, None);
    let one = own_address();
    let view = with_own_servers(&[gateway]);
    served.names.set_asker(NET, one, &view).unwrap();
    assert_eq!(data(&ask_from(one, gateway, "db.secret")), ["172.19.0.2"]);
    let reply = ask_from(one, served.at, "db.secret");
    assert_eq!(rcode(&reply), Rcode::SERVFAIL);
}

#[test]
fn servers_that_cannot_be_asked_are_refused_with_their_asker() {
    let served = Served::with(asking(&[]));
    let view = with_own_servers(&["0.0.0.0:53".parse().unwrap()]);
    let refused = served.names.set_asker(NET, own_address(), &view);
    let server = "0.0.0.0:53".parse().unwrap();
    assert_eq!(
        refused,
        Err(NamesError::Upstreams(ConfigError::UpstreamAddress {
            server
        }))
    );
}

#[test]
fn the_server_is_never_its_own_upstream() {
    let served = Served::with(asking(&[]));
    let refused = served.server.set_upstreams(&[served.at]);
    assert_eq!(
        refused,
        Err(ConfigError::UpstreamIsOurs { server: served.at })
    );
    let (ours, port) = (own_address(), served.at.port());
    let config = Config {
        port,
        ..asking(&[SocketAddr::new(ours, port)])
    };
    let server = Server::spawn(&config, &served.names).unwrap();
    let refused = server.listen(NET, ours);
    assert!(matches!(refused, Err(ListenError::IsUpstream { .. })));
}

#[test]
fn an_address_goes_while_a_question_waits_and_the_rest_is_served_on() {
    let silent = Upstream::unresponsive();
    let served = Served::with(Config {
        threads: 1,
        ..asking(&[silent.at])
    });
    let other = served.server.listen(NET, own_address()).unwrap();
    let waiting = udp(served.at);
    waiting.send(&query(1, "a.example", Rtype::A)).unwrap();
    let mut client = served.connect();
    client.send(&query(2, "a.example", Rtype::A));
    let until = Instant::now() + PATIENCE;
    while silent.queries() < 2 {
        assert!(Instant::now() < until);
        std::thread::yield_now();
    }
    assert!(served.server.unlisten(served.at.ip()));
    assert!(client.is_closed());
    let reply = super::support::ask(other, "a.example", Rtype::A);
    assert_eq!(rcode(&reply), Rcode::SERVFAIL);
    assert!(served.server.is_healthy());
}

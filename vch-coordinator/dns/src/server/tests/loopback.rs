//! A real server on loopback, asked by real clients.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use domain::base::iana::{Rcode, Rtype};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::support::{
    Client, NET, PATIENCE, Served, connect, data, dig, ip, name, names, own_address, query, rcode,
};
use crate::{Config, ListenError, NetworkId, Server, SpawnError};

fn with_many(count: u8) -> Served {
    let served = Served::with(Config::default());
    for last in 0..count {
        let address = ip(&format!("10.0.0.{last}"));
        served.names.publish(NET, &name("many"), address, None);
    }
    served
}

#[test]
fn dig_finds_addresses_and_names_by_udp_and_by_tcp() {
    let served = Served::with(Config::default());
    let web = name("web");
    for address in ["10.0.0.2", "fd00::2"] {
        served
            .names
            .publish(NET, &web, ip(address), Some(&name("web.net")));
    }
    for transport in ["+notcp", "+tcp"] {
        let short =
            |arguments: &[&str]| dig(served.at, &[&["+short", transport], arguments].concat());
        assert_eq!(short(&["web", "A"]), "10.0.0.2\n");
        assert_eq!(short(&["WEB", "AAAA"]), "fd00::2\n");
        assert_eq!(short(&["-x", "10.0.0.2"]), "web.net.\n");
        assert_eq!(short(&["-x", "fd00::2"]), "web.net.\n");
        let nodata = dig(served.at, &[transport, "web", "MX"]);
        assert!(nodata.contains("status: NOERROR"), "{nodata}");
        assert!(nodata.contains("ANSWER: 0"), "{nodata}");
        let unknown = dig(served.at, &[transport, "unknown", "A"]);
        assert!(unknown.contains("status: NXDOMAIN"), "{unknown}");
        assert!(!unknown.contains("WARNING"), "{unknown}");
    }
}

#[test]
fn dig_sees_the_truncation_and_gets_the_rest_by_tcp() {
    let served = with_many(100);
    let cut = dig(served.at, &["+bufsize=512", "+ignore", "many"]);
    assert!(cut.contains("flags: qr aa tc rd ra;"), "{cut}");
    assert!(cut.contains("EDNS: version: 0, flags:; udp: 1232"), "{cut}");
    let plain = dig(served.at, &["+noedns", "+ignore", "many"]);
    assert!(plain.contains("flags: qr aa tc rd ra;"), "{plain}");
    let whole = dig(served.at, &["+bufsize=512", "+short", "many"]);
    let addresses = whole.lines().filter(|line| line.starts_with("10."));
    assert_eq!(addresses.count(), 100, "{whole}");
}

#[test]
fn each_gateway_answers_for_its_network_and_from_its_own_address() {
    let served = Served::with(Config::default());
    let other = NetworkId(2);
    let second = served.server.listen(other, own_address()).unwrap();
    served
        .names
        .publish(NET, &name("web"), ip("10.1.0.2"), None);
    served
        .names
        .publish(other, &name("web"), ip("10.2.0.2"), None);
    // `ask` hears the address that it asked and no other.
    assert_eq!(data(&served.ask("web", Rtype::A)), ["10.1.0.2"]);
    assert_eq!(
        data(&super::support::ask(second, "web", Rtype::A)),
        ["10.2.0.2"]
    );
    assert_eq!(
        served.server.listening(),
        [(NET, served.at), (other, second)]
    );
}

#[test]
fn a_change_shows_in_the_next_answer() {
    let served = Served::with(Config::default());
    let web = name("web");
    for round in 0..200 {
        let address = ip(&format!("10.0.0.{round}"));
        served.names.publish(NET, &web, address, None);
        assert_eq!(data(&served.ask("web", Rtype::A)), [address.to_string()]);
        served.names.withdraw(NET, &web, address);
        assert_eq!(rcode(&served.ask("web", Rtype::A)), Rcode::NXDOMAIN);
    }
}

#[test]
fn a_hundred_names_are_answered_to_many_clients_at_once() {
    let served = Served::with(Config::default());
    for number in 0..100 {
        let address = ip(&format!("10.0.0.{number}"));
        served
            .names
            .publish(NET, &name(&format!("c{number}")), address, None);
    }
    std::thread::scope(|scope| {
        for client in 0..8 {
            let served = &served;
            scope.spawn(move || {
                for number in 0..100 {
                    let number = (number + client * 13) % 100;
                    let reply = served.ask(&format!("c{number}"), Rtype::A);
                    assert_eq!(data(&reply), [format!("10.0.0.{number}")]);
                }
            });
        }
    });
    assert_eq!(served.server.stats().answered, 800);
    assert!(served.server.is_healthy());
}

#[test]
fn four_thousand_networks_are_served_by_the_same_threads() {
    const GATEWAYS: u16 = 4096;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let served = Served::with(Config::default());
    let gateways: Vec<SocketAddr> = (1..=GATEWAYS)
        .map(|number| {
            let network = NetworkId(u128::from(number) + 10);
            let [high, low] = number.to_be_bytes();
            let address = ip(&format!("127.1.{high}.{low}"));
            served.names.publish(network, &name("me"), address, None);
            served.server.listen(network, address).unwrap()
        })
        .collect();
    for at in &gateways {
        let reply = super::support::ask(*at, "me", Rtype::A);
        assert_eq!(data(&reply), [at.ip().to_string()]);
    }
    let load = served.server.load();
    assert_eq!(load.len(), Config::default().threads);
    // The first address is the one that every server of these tests has.
    assert_eq!(load.iter().sum::<usize>(), usize::from(GATEWAYS) + 1);
    assert!(
        load.iter()
            .all(|of_one| *of_one >= usize::from(GATEWAYS) / 2)
    );
    for at in gateways {
        assert!(served.server.unlisten(at.ip()));
    }
}

#[test]
fn many_questions_on_one_connection_are_all_answered() {
    let served = with_many(100);
    let mut client = served.connect();
    let mut stream = Vec::new();
    for id in 0..500 {
        let question = query(id, "many", Rtype::A);
        stream.extend_from_slice(&u16::try_from(question.len()).unwrap().to_be_bytes());
        stream.extend_from_slice(&question);
    }
    // Some 800 KB of replies: the server has to stop reading until they are taken.
    let mut writer = client.0.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || writer.write_all(&stream).unwrap());
        let ids: BTreeSet<u16> = (0..500)
            .map(|_| {
                let reply = client.receive();
                assert_eq!(data(&reply).len(), 100);
                reply.header().id()
            })
            .collect();
        assert_eq!(ids.len(), 500);
    });
}

#[test]
fn a_question_that_comes_in_single_octets_is_answered() {
    let served = with_many(1);
    let mut client = served.connect();
    client.0.set_nodelay(true).unwrap();
    let question = query(9, "many", Rtype::A);
    let length = u16::try_from(question.len()).unwrap().to_be_bytes();
    for octet in [&length[..], &question].concat() {
        client.0.write_all(&[octet]).unwrap();
    }
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(data(&client.receive()), ["10.0.0.0"]);
    assert!(client.is_closed());
}

#[test]
fn a_connection_that_makes_no_sense_is_closed() {
    let served = with_many(1);
    let mut too_long = served.connect();
    too_long.0.write_all(&[0xff, 0xff]).unwrap();
    assert!(too_long.is_closed());
    let mut an_answer = served.connect();
    let mut message = query(9, "many", Rtype::A);
    message[2] |= 0x80;
    an_answer.send(&message);
    assert!(an_answer.is_closed());
    assert_eq!(served.server.stats().dropped, 1);
}

#[test]
fn what_was_done_is_read_without_the_server_and_after_its_end() {
    let served = with_many(1);
    let reader = served.server.stats_reader();
    assert_eq!(data(&served.ask("many", Rtype::A)), ["10.0.0.0"]);
    assert_eq!(reader.read().answered, 1);
    served.server.shutdown().unwrap();
    assert_eq!(reader.read().answered, 1);
}

#[test]
fn an_idle_connection_is_closed_when_its_time_is_over() {
    let served = Served::with(Config {
        idle_timeout: Duration::from_millis(300),
        ..Config::default()
    });
    let mut client = served.connect();
    // Octets that never become a question do not count as activity.
    client.0.write_all(&[0]).unwrap();
    let since = Instant::now();
    assert!(client.is_closed());
    assert!(since.elapsed() < PATIENCE / 2, "{:?}", since.elapsed());
}

#[test]
fn one_client_has_its_bound_of_connections() {
    let served = Served::with(Config {
        max_connections_per_client: 2,
        ..Config::default()
    });
    served
        .names
        .publish(NET, &name("web"), ip("10.0.0.2"), None);
    let (mut first, mut second) = (served.connect(), served.connect());
    first.ask("web", Rtype::A);
    second.ask("web", Rtype::A);
    assert!(served.connect().is_closed());
    first.ask("web", Rtype::A);
    drop(first);
    // The server sees the end of the first at some time: until then it refuses.
    let until = Instant::now() + PATIENCE;
    loop {
        let mut next = served.connect();
        if next.0.write_all(&[0]).is_ok() && !closes_soon(&mut next) {
            break;
        }
        assert!(Instant::now() < until, "the connection was never freed");
    }
}

fn closes_soon(client: &mut Client) -> bool {
    let soon = Some(Duration::from_millis(200));
    client.0.set_read_timeout(soon).unwrap();
    client.is_closed()
}

#[test]
fn when_the_limit_is_reached_the_connection_idle_longest_gives_way() {
    let served = Served::with(Config {
        threads: 1,
        max_connections: 2,
        ..Config::default()
    });
    let mut connections = [served.connect(), served.connect()];
    connections[0].ask("web", Rtype::A);
    connections[1].ask("web", Rtype::A);
    connections[0].ask("web", Rtype::A);
    let mut third = served.connect();
    third.ask("web", Rtype::A);
    assert!(connections[1].is_closed());
    assert_eq!(rcode(&connections[0].ask("web", Rtype::A)), Rcode::NXDOMAIN);
}

#[test]
fn an_address_no_longer_listened_on_is_free_and_its_connections_are_closed() {
    let served = Served::with(Config::default());
    let mut client = served.connect();
    client.ask("web", Rtype::A);
    assert!(served.server.unlisten(served.at.ip()));
    assert!(!served.server.unlisten(served.at.ip()));
    assert!(client.is_closed());
    let _udp = UdpSocket::bind(served.at).expect("UDP is free");
    assert!(served.server.listening().is_empty());
    let again = served.server.listen(NET, served.at.ip()).unwrap();
    assert_eq!(
        rcode(&super::support::ask(again, "web", Rtype::A)),
        Rcode::NXDOMAIN
    );
}

#[test]
fn listening_twice_changes_nothing_and_for_another_network_is_refused() {
    let served = Served::with(Config::default());
    let again = served.server.listen(NET, served.at.ip()).unwrap();
    assert_eq!(again, served.at);
    let other = served.server.listen(NetworkId(2), served.at.ip());
    assert!(matches!(
        other,
        Err(ListenError::OtherNetwork { network: NET, .. })
    ));
}

#[test]
fn an_ipv6_gateway_answers_by_udp_and_by_tcp() {
    let served = Served::with(Config::default());
    let at = served.server.listen(NET, ip("::1")).unwrap();
    let web = name("web");
    served.names.publish(NET, &web, ip("10.0.0.2"), None);
    for transport in ["+notcp", "+tcp"] {
        let found = dig(at, &["+short", transport, "web", "A"]);
        assert_eq!(found, "10.0.0.2\n");
    }
}

#[test]
fn an_address_that_does_not_exist_yet_is_listened_on() {
    let served = Served::with(Config::default());
    for address in ["192.0.2.77", "2001:db8::77"] {
        let at = served.server.listen(NET, ip(address)).unwrap();
        assert_eq!(at.ip(), ip(address));
    }
}

#[test]
fn addresses_that_no_gateway_has_are_refused() {
    let served = Served::with(Config::default());
    for address in ["0.0.0.0", "::", "224.0.0.251", "255.255.255.255", "fe80::1"] {
        let refused = served.server.listen(NET, ip(address));
        assert!(matches!(refused, Err(ListenError::Address { .. })));
    }
}

#[test]
fn a_port_that_is_held_is_named_and_nothing_is_left_open() {
    let ip = own_address();
    let holder = TcpListener::bind((ip, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let config = Config {
        port,
        ..Config::default()
    };
    let server = Server::spawn(&config, &names()).unwrap();
    let refused = server.listen(NET, ip).unwrap_err();
    assert!(matches!(
        refused,
        ListenError::InUse {
            transport: "tcp",
            ..
        }
    ));
    assert!(
        refused
            .to_string()
            .contains(&format!("tcp port {port} of {ip}"))
    );
    let _udp = UdpSocket::bind((ip, port)).expect("the UDP socket was closed");
    assert!(server.listening().is_empty());
}

#[test]
fn a_shut_down_server_has_closed_everything() {
    let served = Served::with(Config::default());
    let mut client = served.connect();
    client.ask("web", Rtype::A);
    let Served { server, at, .. } = served;
    server.shutdown().unwrap();
    assert!(client.is_closed());
    let _udp = UdpSocket::bind(at).expect("UDP is free");
    assert!(std::net::TcpStream::connect(at).is_err());
}

#[test]
fn a_dropped_server_ends_while_a_client_is_connected() {
    let served = Served::with(Config::default());
    let mut client = Client(connect(served.at));
    client.ask("web", Rtype::A);
    drop(served);
    assert!(client.is_closed());
}

#[test]
fn a_bad_configuration_starts_nothing() {
    let config = Config {
        threads: 0,
        ..Config::default()
    };
    let refused = Server::spawn(&config, &names());
    assert!(matches!(refused, Err(SpawnError::Config(_))));
}

#[test]
fn the_end_of_a_thread_is_told_whatever_it_was() {
    let (tell, ended) = std::sync::mpsc::channel();
    let on_end: crate::OnEnd = std::sync::Arc::new(move |thread| tell.send(thread).unwrap());
    let config = Config {
        port: 0,
        threads: 2,
        ..Config::default()
    };
    let server = Server::spawn_watched(&config, &names(), &on_end).unwrap();
    assert!(ended.try_recv().is_err() && server.is_healthy());
    server.panic(1);
    assert_eq!(ended.recv_timeout(Duration::from_secs(1)), Ok(1));
    let error = server.shutdown().expect_err("one had ended");
    assert!(error.to_string().contains("thread 1: panicked"), "{error}");
    assert_eq!(ended.recv_timeout(PATIENCE), Ok(0), "told to stop");
}

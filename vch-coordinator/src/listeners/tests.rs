use super::*;
use std::net::{TcpListener, TcpStream, UdpSocket};

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

fn at(protocol: Protocol, address: Option<IpAddr>, port: u16) -> HostPort {
    HostPort {
        protocol,
        address,
        port,
    }
}

fn on(addresses: &[IpAddr]) -> Listeners {
    Listeners {
        addresses: addresses.to_vec(),
    }
}

fn own() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("{} (process {})", name.trim(), std::process::id())
}

#[test]
fn whoever_listens_is_named_whatever_address_he_chose() {
    let listeners = on(&LOOPBACK);
    for bound in ["0.0.0.0:0", "127.0.0.1:0", "[::]:0", "[::1]:0"] {
        let tcp = TcpListener::bind(bound).unwrap();
        let port = tcp.local_addr().unwrap().port();
        for address in [None, Some(tcp.local_addr().unwrap().ip())] {
            let found = listeners.holder(&at(Protocol::Tcp, address, port));
            assert_eq!(found, Some(own()), "{bound} {address:?}");
        }
        assert_eq!(listeners.holder(&at(Protocol::Udp, None, port)), None);
        let udp = UdpSocket::bind(bound).unwrap();
        let port = udp.local_addr().unwrap().port();
        let found = listeners.holder(&at(Protocol::Udp, None, port));
        assert_eq!(found, Some(own()), "{bound}");
        drop((tcp, udp));
        assert_eq!(listeners.holder(&at(Protocol::Udp, None, port)), None);
    }
}

#[test]
fn who_listens_elsewhere_is_not_in_the_way() {
    let elsewhere = TcpListener::bind("127.0.0.9:0").unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    assert_eq!(on(&LOOPBACK).holder(&at(Protocol::Tcp, None, port)), None);
    let here = Some("127.0.0.9".parse().unwrap());
    assert!(on(&[]).holder(&at(Protocol::Tcp, here, port)).is_some());
    // Not an address of this machine.
    let foreign = Some("192.0.2.1".parse().unwrap());
    assert_eq!(on(&[]).holder(&at(Protocol::Tcp, foreign, port)), None);
}

#[test]
fn a_connection_that_leaves_by_the_port_is_no_listener() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let port = client.local_addr().unwrap().port();
    assert_eq!(on(&LOOPBACK).holder(&at(Protocol::Tcp, None, port)), None);
}

#[test]
fn a_protocol_that_the_kernel_lacks_has_no_listeners() {
    assert_eq!(on(&LOOPBACK).holder(&at(Protocol::Sctp, None, 7)), None);
}

#[test]
fn lines_of_proc_are_read_as_the_kernel_writes_them() {
    let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(
        listens(v4, LISTENING, at("127.0.0.1:8080")).as_deref(),
        Some("4711")
    );
    assert_eq!(listens(v4, LISTENING, at("127.0.0.1:8081")), None);
    assert_eq!(listens(v4, LISTENING, at("10.0.0.1:8080")), None);
    assert_eq!(listens(v4, UNCONNECTED, at("127.0.0.1:8080")), None);
    let v6 = "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0";
    assert_eq!(
        listens(v6, LISTENING, at("10.0.0.1:8080")).as_deref(),
        Some("4712")
    );
    for broken in ["", "0:", "0: x y z", "0: 0100007F 0 0A"] {
        assert_eq!(listens(broken, LISTENING, at("127.0.0.1:8080")), None);
    }
}

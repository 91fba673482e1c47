use super::*;
use std::net::{TcpListener, TcpStream, UdpSocket};

fn at(protocol: Protocol, address: Option<IpAddr>, port: u16) -> HostPort {
    HostPort {
        protocol,
        address,
        port,
    }
}

/// Returns the probe of a VCH with its management network at 127.0.0.7, its docker endpoint at 127.0.0.8, and an
/// external network that is no default at 127.0.0.9.
fn port_probe() -> PortProbe {
    let address = |text: &str| text.parse().unwrap();
    PortProbe {
        private: vec![address("127.0.0.7"), address("127.0.0.8")],
        defaults: Vec::new(),
        others: vec![address("127.0.0.9")],
    }
}

fn own() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap();
    format!("{} (process {})", name.trim(), std::process::id())
}

#[test]
fn whoever_listens_is_named_whatever_address_he_chose() {
    let probe = port_probe();
    for bound in ["0.0.0.0:0", "127.0.0.1:0", "[::]:0", "[::1]:0"] {
        let tcp = TcpListener::bind(bound).unwrap();
        let port = tcp.local_addr().unwrap().port();
        for address in [None, Some(tcp.local_addr().unwrap().ip())] {
            let found = probe.holder(&at(Protocol::Tcp, address, port));
            assert_eq!(found, Some(own()), "{bound} {address:?}");
        }
        assert_eq!(probe.holder(&at(Protocol::Udp, None, port)), None);
        let udp = UdpSocket::bind(bound).unwrap();
        let port = udp.local_addr().unwrap().port();
        let found = probe.holder(&at(Protocol::Udp, None, port));
        assert_eq!(found, Some(own()), "{bound}");
        drop((tcp, udp));
        assert_eq!(probe.holder(&at(Protocol::Udp, None, port)), None);
    }
}

#[test]
fn who_listens_elsewhere_is_not_in_the_way() {
    let any = Some("0.0.0.0".parse().unwrap());
    for (bound, by_default, everywhere) in [
        ("127.0.0.9:0", false, true),
        ("127.0.0.8:0", false, false),
        ("127.0.0.7:0", false, false),
        ("127.0.0.1:0", true, true),
    ] {
        let listener = TcpListener::bind(bound).unwrap();
        let port = listener.local_addr().unwrap().port();
        let taken = |address| {
            port_probe()
                .holder(&at(Protocol::Tcp, address, port))
                .is_some()
        };
        assert_eq!(taken(None), by_default, "{bound}");
        assert_eq!(taken(any), everywhere, "{bound}");
        assert!(taken(Some(listener.local_addr().unwrap().ip())), "{bound}");
        // Not an address of this machine.
        assert!(!taken(Some("192.0.2.1".parse().unwrap())));
    }
}

#[test]
fn dns_of_a_gateway_is_not_in_the_way_of_its_port() {
    let probe = port_probe();
    let gateway = "172.18.0.1".parse().unwrap();
    let at = |port| at(Protocol::Udp, None, port);
    assert!(!probe.in_the_way(&at(DNS), gateway));
    assert!(probe.in_the_way(&at(DNS + 1), gateway));
    assert!(probe.in_the_way(&at(DNS), "127.0.0.1".parse().unwrap()));
}

#[test]
fn a_connection_that_leaves_by_the_port_is_no_listener() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(server.local_addr().unwrap()).unwrap();
    let port = client.local_addr().unwrap().port();
    assert_eq!(port_probe().holder(&at(Protocol::Tcp, None, port)), None);
}

#[test]
fn a_protocol_that_the_kernel_lacks_has_no_listeners() {
    assert_eq!(port_probe().holder(&at(Protocol::Sctp, None, 7)), None);
}

#[test]
fn lines_of_proc_are_read_as_the_kernel_writes_them() {
    let v4 = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
    let at = |text: &'static str| move |address: IpAddr| address == text.parse::<IpAddr>().unwrap();
    let (loopback, other) = (at("127.0.0.1"), at("10.0.0.1"));
    assert_eq!(
        listens(v4, LISTENING, 8080, &loopback).as_deref(),
        Some("4711")
    );
    assert_eq!(listens(v4, LISTENING, 8081, &loopback), None);
    assert_eq!(listens(v4, LISTENING, 8080, &other), None);
    assert_eq!(listens(v4, UNCONNECTED, 8080, &loopback), None);
    let v6 = "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0";
    assert_eq!(
        listens(v6, LISTENING, 8080, &at("::")).as_deref(),
        Some("4712")
    );
    for broken in ["", "0:", "0: x y z", "0: 0100007F 0 0A"] {
        assert_eq!(listens(broken, LISTENING, 8080, &loopback), None);
    }
}

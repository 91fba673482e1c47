use super::{Follow, MAX_HEAD, starts_raw};
use proptest::prelude::*;

/// Returns the output for an input that is given in pieces of `size`.
fn passed(input: &[u8], size: usize) -> Vec<u8> {
    let mut follow = Follow::Head(Vec::new());
    let mut out = Vec::new();
    for piece in input.chunks(size.max(1)) {
        follow.pass(piece, &mut out);
    }
    follow.end(&mut out);
    out
}

#[test]
fn only_what_starts_a_raw_stream_is_marked() {
    for (target, starts) in [
        ("/containers/c1/attach", true),
        ("/v1.41/containers/c1/attach?stream=1", true),
        ("/v1.41/exec/0123/start", true),
        ("/exec/0123/start/", true),
        ("http://localhost/v1.41/exec/0123/start", true),
        ("/containers/c1/start", false),
        ("/containers/c1/attach/ws", false),
        ("/exec/0123/resize", false),
        ("/containers/attach", false),
        ("/", false),
    ] {
        assert_eq!(starts_raw(target), starts, "{target}");
    }
}

#[test]
fn a_start_that_asks_for_no_upgrade_becomes_a_tunnel_wherever_it_stands() {
    let start = "POST /exec/1/start HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}POST /exec/2/start HTTP/1.1\r\n\r\n";
    let marked = start.replacen("POST", "CONNECT", 1);
    let before = [
        "",
        "\r\n",
        "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /networks/create HTTP/1.1\r\nContent-Length: 31\r\n\r\nPOST /exec/1/start HTTP/1.1\r\n\r\n",
        "POST /build HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1f;x=y\r\nPOST /exec/1/start HTTP/1.1\r\n\r\n\r\n0\r\nA: b\r\n\r\n",
    ];
    for before in before {
        let input = format!("{before}{start}");
        let expected = format!("{before}{marked}");
        for size in [1, 2, 3, 7, 4096] {
            let out = String::from_utf8(passed(input.as_bytes(), size)).unwrap();
            assert_eq!(out, expected, "in pieces of {size}");
        }
    }
}

#[test]
fn one_that_asks_and_what_is_no_http_pass_as_they_are() {
    for input in [
        "POST /exec/1/start HTTP/1.1\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n{}",
        "GET /exec/1/start HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\n\nPOST /exec/1/start HTTP/1.1\r\n\r\n",
        "POST /exec/1/start",
        "POST /x HTTP/1.1\r\nContent-Length: many\r\n\r\nPOST /exec/1/start HTTP/1.1\r\n\r\n",
        "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nPOST /exec/1/start HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(passed(input.as_bytes(), 5), input.as_bytes(), "{input:?}");
    }
    let long = vec![b'a'; 4 * MAX_HEAD];
    assert_eq!(passed(&long, 1000), long);
}

proptest! {
    /// Checks that no byte is lost, that only methods are changed, and that pieces make no
    /// difference.
    #[test]
    fn pieces_make_no_difference(
        input in proptest::collection::vec(
            prop_oneof![
                Just("POST /exec/1/start HTTP/1.1\r\n".to_owned()),
                Just("GET /a HTTP/1.1\r\n".to_owned()),
                Just("\r\n".to_owned()),
                Just("Transfer-Encoding: chunked\r\n".to_owned()),
                Just("Content-Length: 3\r\n".to_owned()),
                Just("3\r\nabc\r\n".to_owned()),
                Just("0\r\n\r\n".to_owned()),
                "[a-z\r\n]{0,6}",
            ],
            0..12,
        ),
        size in 1..40_usize,
    ) {
        let input = input.concat();
        let whole = passed(input.as_bytes(), input.len());
        prop_assert_eq!(&passed(input.as_bytes(), size), &whole);
        let whole = String::from_utf8(whole).unwrap();
        prop_assert_eq!(whole.replace("CONNECT", "POST"), input);
    }
}

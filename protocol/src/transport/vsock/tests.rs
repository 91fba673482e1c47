//! Tests that need no vsock socket; such sockets are opened in guests only.

use super::*;

#[test]
fn a_sibling_is_reached_by_way_of_the_host_and_the_host_directly() {
    let port = PrivilegedPort::try_from(1000).unwrap();
    for (cid, flags) in [(1, 0), (VMADDR_CID_HOST, 0), (3, FLAG_TO_HOST)] {
        let address = remote(cid, port);
        assert_eq!((address.cid(), address.port()), (cid, 1000));
        let raw: &libc::sockaddr_vm = address.as_ref();
        assert_eq!(raw.svm_zero[0], flags);
        assert_eq!(i32::from(raw.svm_family), libc::AF_VSOCK);
    }
}

#[test]
fn a_source_port_below_1024_shows_root() {
    for (port, privileged) in [(512, true), (1023, true), (1024, false), (u32::MAX, false)] {
        assert_eq!(is_privileged(Peer { cid: 3, port }), privileged, "{port}");
    }
}

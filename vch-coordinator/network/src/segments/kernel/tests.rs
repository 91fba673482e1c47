use super::*;
use crate::testing::namespace::in_namespace;

#[test]
fn a_connection_that_fails_is_told_once_and_made_anew() {
    in_namespace(async |_| {
        let mut kernel = Kernel::connect(Owner::of(b"a VCH")).unwrap();
        let loopback = "lo".parse().unwrap();
        assert_eq!(kernel.observe_link(&loopback).await.unwrap().links.len(), 1);
        kernel.connection.abort();
        let failed = kernel.observe_link(&loopback).await.unwrap_err();
        let SegmentError::Kernel { source, .. } = failed else {
            panic!("{failed}");
        };
        assert_eq!(source, Errno::EPIPE);
        assert_eq!(kernel.observe_link(&loopback).await.unwrap().links.len(), 1);
    });
}

use super::{FIRM, Handshakes, LONGEST, MAX_WAITING, NotAdmitted, SHARE, source};
use std::{future::pending, net::IpAddr, time::Duration};
use tokio::time::Instant;

fn address(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

#[test]
fn a_source_is_an_address_or_a_network_that_one_host_may_have() {
    let parsed = |text: &str| source(text.parse().unwrap());
    assert_ne!(parsed("192.0.2.1"), parsed("192.0.2.2"));
    assert_eq!(parsed("::ffff:192.0.2.1"), parsed("192.0.2.1"));
    assert_eq!(parsed("2001:db8::1"), parsed("2001:db8::ffff:2"));
    assert_ne!(parsed("2001:db8::1"), parsed("2001:db8:0:1::1"));
}

#[tokio::test(start_paused = true)]
async fn strangers_of_one_address_keep_out_nobody_else() {
    let handshakes = Handshakes::default();
    let mut silent = Vec::new();
    for _ in 0..SHARE {
        silent.push(handshakes.admit(address(1)).await.unwrap());
    }
    let waiting: Vec<_> = (0..MAX_WAITING)
        .map(|_| {
            let handshakes = handshakes.clone();
            tokio::spawn(async move { handshakes.admit(address(1)).await.map(drop) })
        })
        .collect();
    while handshakes.0.waiting.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let crowded = handshakes.admit(address(1)).await.map(drop);
    assert_eq!(crowded, Err(NotAdmitted::Crowded));
    let before = Instant::now();
    assert!(handshakes.admit(address(2)).await.is_ok());
    assert_eq!(before.elapsed(), Duration::ZERO, "it did not wait");
    for one in waiting {
        assert_eq!(one.await.unwrap(), Err(NotAdmitted::Timeout));
    }
    drop(silent);
    assert!(handshakes.0.sources().is_empty(), "all are forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_ends_when_its_permit_is_needed() {
    let handshakes = Handshakes::default();
    let mut all = Vec::new();
    for _ in 0..SHARE {
        let admitted = handshakes.admit(address(1)).await.unwrap();
        all.push(tokio::spawn(async move {
            let began = Instant::now();
            assert!(admitted.within(pending::<()>()).await.is_none());
            began.elapsed()
        }));
    }
    tokio::time::sleep(FIRM + Duration::from_secs(5)).await;
    assert!(handshakes.admit(address(1)).await.is_ok());
    for one in all {
        let took = one.await.unwrap();
        assert!((FIRM..LONGEST).contains(&took), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_goes_on_while_nobody_waits() {
    let admitted = Handshakes::default().admit(address(1)).await.unwrap();
    let slow = tokio::time::sleep(LONGEST - Duration::from_secs(1));
    assert!(admitted.within(slow).await.is_some());
    let began = Instant::now();
    assert!(admitted.within(pending::<()>()).await.is_none());
    assert_eq!(began.elapsed(), LONGEST);
}

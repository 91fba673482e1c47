use super::*;
use crate::names::NetworkId;

fn client(n: u128) -> ClientKey {
    ClientKey::Container(NetworkId(n))
}

#[test]
fn each_client_has_its_own_pace() {
    let (mut pace, start) = (Pace::new(100), Instant::now());
    let asked = |pace: &mut Pace, n, at| (0..1000).filter(|_| pace.take(client(n), at)).count();
    assert_eq!(asked(&mut pace, 1, start), 100);
    assert_eq!(asked(&mut pace, 1, start), 0);
    assert_eq!(asked(&mut pace, 2, start), 100, "another pays for nobody");
    assert_eq!(asked(&mut pace, 1, start + Duration::from_millis(500)), 50);
    assert_eq!(asked(&mut pace, 1, start + Duration::from_secs(60)), 100);
}

#[test]
fn slow_questions_are_never_refused() {
    let (mut pace, mut now) = (Pace::new(1000), Instant::now());
    for _ in 0..10_000 {
        assert!(pace.take(client(1), now));
        now += Duration::from_millis(1);
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut pace, now) = (Pace::new(10), Instant::now());
    for n in 0..50_000 {
        assert!(pace.take(client(n), now));
    }
    assert!(pace.clients.len() <= REMEMBERED);
}

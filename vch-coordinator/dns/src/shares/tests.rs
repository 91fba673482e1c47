use super::*;
use crate::network_id::NetworkId;

fn client(n: u128) -> ClientKey {
    ClientKey::Container(NetworkId(n))
}

/// Fills it as a forwarder does, and counts what each of the clients has.
fn flood(shares: &mut Shares<u8>, clients: &[u128], rounds: usize) {
    for _ in 0..rounds {
        for n in clients {
            match shares.room(client(*n)) {
                Room::Free => {
                    shares.enter(client(*n), 0);
                }
                Room::Instead(greediest, number, _) => {
                    shares.leave(greediest, number);
                    shares.enter(client(*n), 0);
                }
                Room::None => {}
            }
        }
    }
}

#[test]
fn who_comes_late_has_its_share_all_the_same() {
    let mut shares = Shares::new(512, 128);
    flood(&mut shares, &[1, 2, 3, 4], 1000);
    assert_eq!(shares.total, 512);
    for n in 5..=8 {
        flood(&mut shares, &[n], 1000);
    }
    assert_eq!(shares.total, 512);
    for n in 1..=8 {
        let held = shares.held[&client(n)].len();
        assert!(
            (512 / 8 - 1..=512 / 8 + 1).contains(&held),
            "{n} has {held}"
        );
    }
}

#[test]
fn the_oldest_of_the_one_with_most_gives_way() {
    let mut shares = Shares::new(4, 4);
    let first = shares.enter(client(1), 10);
    shares.enter(client(1), 11);
    shares.enter(client(1), 12);
    shares.enter(client(2), 20);
    assert_eq!(shares.room(client(3)), Room::Instead(client(1), first, 10));
    assert_eq!(shares.room(client(2)), Room::Instead(client(1), first, 10));
    assert_eq!(shares.room(client(1)), Room::None, "it has most itself");
    shares.leave(client(1), first);
    assert_eq!(shares.room(client(1)), Room::Free);
    shares.enter(client(2), 21);
    // Two each: no client has more than its share.
    assert_eq!(shares.room(client(2)), Room::None);
}

#[test]
fn no_client_has_more_than_its_bound_and_what_left_leaves_nothing() {
    let mut shares = Shares::new(10, 2);
    let one = shares.enter(client(1), 0);
    let two = shares.enter(client(1), 0);
    assert_eq!(shares.room(client(1)), Room::None);
    for number in [one, two, two, 99] {
        shares.leave(client(1), number);
    }
    assert_eq!((shares.total, shares.held.len()), (0, 0));
}

use super::*;
use crate::reactor::Kind;

fn origin(client: u128) -> Origin {
    Origin {
        gateway: Token::new(1, Kind::Udp),
        network: NetworkId(1),
        peer: ([127, 0, 0, 1], 53).into(),
        client: ClientKey::Container(NetworkId(client)),
    }
}

/// Adds a question of a client, known by one octet.
fn ask(waiting: &mut WaitingQueue, client: u128, octet: u8) -> bool {
    waiting.buffer()[0] = octet;
    waiting.keep(1, origin(client))
}

/// Takes all questions; returns each with its client.
fn served(waiting: &mut WaitingQueue) -> Vec<(u128, u8)> {
    std::iter::from_fn(|| {
        let origin = waiting.next()?;
        let ClientKey::Container(NetworkId(client)) = origin.client else {
            panic!("{origin:?}");
        };
        let [octet] = waiting.message() else {
            panic!("{:?}", waiting.message());
        };
        Some((client, *octet))
    })
    .collect()
}

#[test]
fn clients_are_served_in_turn_and_each_in_its_own_order() {
    let mut waiting = WaitingQueue::new(64);
    for octet in 0..4 {
        assert!(ask(&mut waiting, 1, octet));
    }
    assert!(ask(&mut waiting, 2, 10) && ask(&mut waiting, 3, 20) && ask(&mut waiting, 2, 11));
    let all = [(1, 0), (2, 10), (3, 20), (1, 1), (2, 11), (1, 2), (1, 3)];
    assert_eq!(served(&mut waiting), all);
    assert!(waiting.is_empty());
}

#[test]
fn a_flood_fills_its_own_share_and_any_number_of_floods_leave_room() {
    let mut waiting = WaitingQueue::new(64);
    let kept =
        |waiting: &mut WaitingQueue, client| (0..200).filter(|_| ask(waiting, client, 0)).count();
    assert_eq!(kept(&mut waiting, 1), 32, "half of the room");
    assert_eq!(kept(&mut waiting, 2), 16, "half of what is left");
    assert!(ask(&mut waiting, 3, 7));
    let first: Vec<_> = served(&mut waiting).into_iter().take(3).collect();
    assert_eq!(first, [(1, 0), (2, 0), (3, 7)]);
    let mut waiting = WaitingQueue::new(64);
    for client in 0..1_000 {
        kept(&mut waiting, client);
    }
    assert!(!ask(&mut waiting, 2_000, 0), "the room is bounded");
    assert_eq!(served(&mut waiting).len(), 64);
}

#[test]
fn no_question_of_a_client_is_lost_however_many_it_asks_while_few_wait() {
    let mut waiting = WaitingQueue::new(8);
    for round in 0..100_000_u32 {
        let octet = (round % 250) as u8;
        for more in 0..4 {
            assert!(ask(&mut waiting, 1, octet + more), "round {round}");
        }
        let all: Vec<_> = (0..4).map(|more| (1, octet + more)).collect();
        assert_eq!(served(&mut waiting), all);
    }
}

use super::{EarlyMessages, MOST};
use protocol::process::{ProcessId, ToInit, WINDOW};

const ID: ProcessId = ProcessId(3);

#[test]
fn what_came_before_a_process_waits_for_it_in_its_order() {
    let mut early = EarlyMessages::default();
    let signal = |signal| ToInit::Signal { id: ID, signal };
    early.keep(ID, signal(1));
    assert!(early.take(ID).is_empty(), "it was not expected");
    early.expect(ID);
    early.keep(ID, signal(2));
    early.keep(ID, ToInit::InputEnd { id: ID });
    early.keep(ProcessId(4), signal(3));
    assert_eq!(early.take(ID), [signal(2), ToInit::InputEnd { id: ID }]);
    assert!(early.take(ID).is_empty());
}

#[test]
fn what_waits_is_bounded() {
    let mut early = EarlyMessages::default();
    early.expect(ID);
    let window = usize::try_from(WINDOW).unwrap();
    let input = |length| ToInit::Input {
        id: ID,
        bytes: vec![0; length],
    };
    early.keep(ID, input(window));
    early.keep(ID, input(1));
    for _ in 0..2 * MOST {
        early.keep(ID, ToInit::InputEnd { id: ID });
    }
    assert_eq!(early.take(ID).len(), MOST);
}

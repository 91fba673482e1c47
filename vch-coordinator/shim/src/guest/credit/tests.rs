use super::Credit;
use protocol::process::{
    Output::{Stderr, Stdout},
    WINDOW,
};

#[test]
fn a_stream_has_its_window_and_no_byte_more_until_some_is_given_back() {
    let credit = Credit::default();
    let window = usize::try_from(WINDOW).unwrap();
    assert!(credit.spend(Stdout, window));
    assert!(!credit.spend(Stdout, 1));
    assert!(credit.spend(Stderr, window), "each stream has its own");
    credit.give_back(Stdout, 10);
    assert!(!credit.spend(Stdout, 11));
    assert!(credit.spend(Stdout, 10));
}

#[test]
fn more_is_not_given_back_than_there_was() {
    let credit = Credit::default();
    credit.give_back(Stderr, u32::MAX);
    assert!(!credit.spend(Stderr, usize::try_from(WINDOW).unwrap() + 1));
    assert!(!credit.spend(Stderr, usize::MAX));
}

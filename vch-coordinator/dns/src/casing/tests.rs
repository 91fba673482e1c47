use super::*;

fn question(name: &[u8]) -> Vec<u8> {
    [&[7; HEADER], name, &[0, 1, 0, 1][..]].concat()
}

const EXAMPLE: &[u8] = b"\x07Example\x03org\x00";
const ALL: Casing = Casing::Mixed([0xff; BITS / 8]);

#[test]
fn letters_alone_change_and_only_where_a_bit_is_set() {
    let mut mixed = question(EXAMPLE);
    ALL.apply(&mut mixed);
    assert_eq!(mixed, question(b"\x07eXAMPLE\x03ORG\x00"));
    let mut first = [0; BITS / 8];
    first[0] = 0b10;
    let mut mixed = question(EXAMPLE);
    Casing::Mixed(first).apply(&mut mixed);
    assert_eq!(mixed, question(b"\x07example\x03org\x00"));
    let mut digits = question(b"\x041-2_\x00");
    ALL.apply(&mut digits);
    assert_eq!(digits, question(b"\x041-2_\x00"));
}

#[test]
fn an_answer_must_repeat_them_and_the_client_finds_its_own() {
    let asked = question(EXAMPLE);
    let mut mixed = asked.clone();
    ALL.apply(&mut mixed);
    assert!(ALL.is_repeated(&mixed, &mixed));
    assert!(!ALL.is_repeated(&mixed, &asked));
    assert!(!ALL.is_repeated(&mixed, &mixed[..15]));
    assert!(Casing::AsAsked.is_repeated(&mixed, &asked));
    let mut answer = mixed.clone();
    restore(&asked, &mut answer);
    assert_eq!(answer, asked);
    let mut other = question(b"\x07another\x03org\x00");
    restore(&asked, &mut other);
    assert_eq!(other, question(b"\x07another\x03org\x00"));
}

#[test]
fn a_cut_message_is_left_as_it_is() {
    for length in 0..20 {
        let mut cut = question(EXAMPLE)[..length].to_vec();
        ALL.apply(&mut cut);
        restore(&question(EXAMPLE), &mut cut);
        assert_eq!(cut.len(), length);
    }
}

#[test]
fn two_draws_differ() {
    assert_ne!(Casing::random(), Casing::random());
}

use super::*;
use std::io;
use vch_nftables::{Change, DecodeError, Name, Object};

const OWN: u32 = 7;

fn table(name: &str) -> Table {
    Table::new(Family::Inet, Name::new(name).unwrap())
}

fn heard() -> Heard {
    Heard {
        own: OWN,
        tables: vec![table("vch")],
        unreadable: 0,
    }
}

fn change(table: Table, port: u32) -> NftEvent {
    NftEvent::Change(Change {
        object: Object::Rule,
        deleted: false,
        table,
        port,
    })
}

#[test]
fn only_what_others_change_of_our_tables_is_told() {
    let heard = heard();
    assert_eq!(heard.tables_of(&change(table("vch"), 8)), [Family::Inet]);
    assert_eq!(heard.tables_of(&change(table("vch"), OWN)), []);
    assert_eq!(heard.tables_of(&change(table("other"), 8)), []);
    assert_eq!(heard.tables_of(&NftEvent::Overrun), [Family::Inet]);
}

#[test]
fn an_event_that_cannot_be_read_is_skipped_counted_and_may_have_been_of_ours() {
    let mut heard = heard();
    for count in 1..=3 {
        let error = DecodeError {
            object: "a rule",
            problem: "it is of a later kernel",
        };
        let event = heard
            .take(Err(error.into()))
            .expect("the subscription goes on");
        assert_eq!(event, Some(NftEvent::Overrun));
        assert_eq!(heard.unreadable, count);
    }
    assert_eq!(heard.take(Ok(None)).unwrap(), None);
    let broken = SocketError {
        doing: "receive",
        source: io::Error::other("gone"),
    };
    assert!(
        heard.take(Err(broken.into())).is_err(),
        "nothing more comes"
    );
}

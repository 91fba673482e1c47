use super::{Wish, past};
use protocol::process::Output::{Stderr, Stdout};
use vch_shim::log::{Reader, Writer};

fn log(wish: Wish) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(folder.path(), 1 << 20, 2).unwrap();
    let second = 1_000_000_000;
    for (stream, at, text) in [
        (Stdout, 1, "one\ntwo\nthr"),
        (Stderr, 2, "err\n"),
        (Stdout, 3, "ee\nfour"),
    ] {
        writer.append(stream, at * second, text.as_bytes()).unwrap();
    }
    let mut reader = Reader::from_start(folder.path()).unwrap();
    let shown = past(&mut reader, &wish).unwrap();
    String::from_utf8(shown).unwrap()
}

fn terminal() -> Wish {
    let mut wish = Wish::default();
    wish.shape.terminal = true;
    wish
}

#[test]
fn all_of_it_comes_as_it_was_written() {
    assert_eq!(log(terminal()), "one\ntwo\nthrerr\nee\nfour");
    let mut out = terminal();
    out.shape.err = false;
    assert_eq!(log(out), "one\ntwo\nthree\nfour");
}

#[test]
fn the_last_lines_are_counted_over_both_streams() {
    let tail = |count| {
        log(Wish {
            tail: Some(count),
            ..terminal()
        })
    };
    assert_eq!(tail(0), "");
    assert_eq!(tail(1), "four");
    assert_eq!(tail(2), "err\nfour", "a line counts from where it began");
    assert_eq!(tail(3), "threrr\nee\nfour");
    assert_eq!(tail(100), "one\ntwo\nthrerr\nee\nfour");
}

#[test]
fn times_stand_before_lines_and_choose_them() {
    let dated = log(Wish {
        timestamps: true,
        ..terminal()
    });
    let first = dated.lines().next().unwrap();
    assert!(
        first.starts_with("1970-01-01T00:00:01") && first.ends_with(" one"),
        "{first}"
    );
    assert!(
        dated.contains("1970-01-01T00:00:02") && dated.ends_with(" four"),
        "{dated}"
    );
    let late = log(Wish {
        since_ns: 2_000_000_000,
        until_ns: 2_500_000_000,
        ..terminal()
    });
    assert_eq!(late, "err\n");
}

#[test]
fn without_a_terminal_each_piece_has_a_head() {
    let mut wish = Wish {
        tail: Some(1),
        ..Wish::default()
    };
    wish.shape.err = false;
    assert_eq!(
        log(wish).as_bytes(),
        [&[1, 0, 0, 0, 0, 0, 0, 4][..], b"four"].concat()
    );
}

use super::{LogParams, Pages, Shape};
use proptest::prelude::*;
use protocol::process::Output::{self, Stderr, Stdout};
use std::path::Path;
use vch_shim::log::Writer;

const SECOND: u64 = 1_000_000_000;

fn shape(terminal: bool) -> Shape {
    Shape {
        out: true,
        err: true,
        terminal,
    }
}

fn terminal() -> LogParams {
    LogParams::all(shape(true))
}

fn all(dir: &Path, params: LogParams) -> Vec<u8> {
    let mut pages = Pages::of(dir.to_owned(), params).unwrap();
    let mut whole = Vec::new();
    while let Some(page) = pages.next().unwrap() {
        whole.extend(page);
    }
    whole
}

fn log(params: LogParams) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
    for (stream, at, text) in [
        (Stdout, 1, "one\ntwo\nthr"),
        (Stderr, 2, "err\n"),
        (Stdout, 3, "ee\nfour"),
    ] {
        writer.append(stream, at * SECOND, text.as_bytes()).unwrap();
    }
    String::from_utf8(all(dir.path(), params)).unwrap()
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
        log(LogParams {
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
    let dated = log(LogParams {
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
    let late = log(LogParams {
        since_ns: 2_000_000_000,
        until_ns: 2_500_000_000,
        ..terminal()
    });
    assert_eq!(late, "err\n");
}

#[test]
fn what_was_written_after_the_moment_is_not_read_however_much_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
    let mut write = |at: u64, text: &str| {
        writer.append(Stdout, at * SECOND, text.as_bytes()).unwrap();
    };
    write(1, "one\n");
    write(3, "three\n");
    let until = LogParams {
        until_ns: 2 * SECOND,
        ..terminal()
    };
    let mut pages = Pages::of(dir.path().to_owned(), until).unwrap();
    assert_eq!(pages.next().unwrap().unwrap(), b"one\n");
    let (position, _) = pages.position();
    for at in 4..100 {
        assert_eq!(pages.next().unwrap(), None);
        write(at, "later\n");
    }
    assert_eq!(pages.position().0, position, "the first that is later");
}

#[test]
fn without_a_terminal_each_piece_has_a_head() {
    let mut params = LogParams {
        tail: Some(1),
        ..LogParams::all(shape(false))
    };
    params.shape.err = false;
    assert_eq!(
        log(params).as_bytes(),
        [&[1, 0, 0, 0, 0, 0, 0, 4][..], b"four"].concat()
    );
}

#[test]
fn without_a_terminal_each_line_is_a_piece_though_it_was_written_in_two() {
    let framed = |number: u8, line: &str| {
        let length = u8::try_from(line.len()).unwrap();
        [&[number, 0, 0, 0, 0, 0, 0, length][..], line.as_bytes()].concat()
    };
    let expected = [
        framed(1, "one\n"),
        framed(1, "two\n"),
        framed(2, "err\n"),
        framed(1, "three\n"),
        framed(1, "four"),
    ];
    let shown = log(LogParams::all(shape(false)));
    assert_eq!(shown.as_bytes(), expected.concat());
    // A client that follows receives the rest of the line later.
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 1 << 20, 2).unwrap();
    writer.append(Stdout, SECOND, b"one\ntw").unwrap();
    let pages = Pages::of(dir.path().to_owned(), LogParams::all(shape(false)));
    let mut pages = pages.unwrap().followed();
    assert_eq!(pages.next().unwrap(), Some(framed(1, "one\n")));
    assert_eq!(pages.next().unwrap(), None);
    let (_, mut pieces) = pages.position();
    let more = pieces.format(Stdout, 2 * SECOND, b"o\nth");
    assert_eq!(more, framed(1, "two\n"));
    assert_eq!(pieces.rest(), framed(1, "th"));
    // An incomplete line does not grow in memory without limit.
    let long = pieces.format(Stdout, SECOND, &[b'x'; 20 << 10]);
    assert_eq!(long.len(), 8 + (16 << 10));
}

/// Returns what `tail` shows by a simple implementation that keeps every line.
fn last_lines(records: &[(Output, Vec<u8>)], most: usize) -> Vec<u8> {
    let mut lines: Vec<(Output, Vec<(usize, u8)>)> = Vec::new();
    let mut open = [None; 2];
    for (index, (stream, byte)) in records
        .iter()
        .flat_map(|(stream, bytes)| bytes.iter().map(move |byte| (*stream, *byte)))
        .enumerate()
    {
        let open = &mut open[usize::from(stream == Stderr)];
        let line = *open.get_or_insert_with(|| {
            lines.push((stream, Vec::new()));
            lines.len() - 1
        });
        lines[line].1.push((index, byte));
        if byte == b'\n' {
            *open = None;
        }
    }
    let skipped = lines.len().saturating_sub(most);
    let mut bytes: Vec<_> = lines
        .drain(skipped..)
        .flat_map(|(_, bytes)| bytes)
        .collect();
    bytes.sort_unstable();
    bytes.into_iter().map(|(_, byte)| byte).collect()
}

fn records() -> impl Strategy<Value = Vec<(Output, Vec<u8>)>> {
    let bytes = prop_oneof!["[ab\n]{1,8}", "[ab]{1,8}", Just("\n".repeat(70))];
    let record = (prop_oneof![3 => Just(Stdout), 1 => Just(Stderr)], bytes);
    let record = record.prop_map(|(stream, text)| (stream, text.into_bytes()));
    proptest::collection::vec(record, 0..40)
}

proptest! {
    #[test]
    fn the_last_lines_are_those_of_the_rule(records in records(), most in 0..30_usize, file in 20..400_u64) {
        let dir = tempfile::tempdir().unwrap();
        // All files are kept; another test deletes files.
        let mut writer = Writer::open(dir.path(), file, 1_000).unwrap();
        for (stream, bytes) in &records {
            writer.append(*stream, SECOND, bytes).unwrap();
        }
        let params = LogParams { tail: Some(most), ..terminal() };
        let shown = all(dir.path(), params);
        prop_assert_eq!(
            String::from_utf8(shown).unwrap(),
            String::from_utf8(last_lines(&records, most)).unwrap()
        );
    }

    #[test]
    fn one_stream_s_last_lines_do_not_count_the_other_s(records in records(), most in 0..30_usize, file in 20..400_u64) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), file, 1_000).unwrap();
        for (stream, bytes) in &records {
            writer.append(*stream, SECOND, bytes).unwrap();
        }
        let mut params = LogParams { tail: Some(most), ..terminal() };
        params.shape.err = false;
        let out: Vec<_> = records.into_iter().filter(|(stream, _)| *stream == Stdout).collect();
        prop_assert_eq!(all(dir.path(), params), last_lines(&out, most));
    }
}

#[test]
fn what_the_writer_has_taken_away_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), 100, 2).unwrap();
    writer.append(Stdout, SECOND, b"first\n").unwrap();
    let mut pages = Pages::of(dir.path().to_owned(), terminal()).unwrap();
    for number in 0..100 {
        writer
            .append(Stdout, SECOND, format!("{number}\n").as_bytes())
            .unwrap();
    }
    let mut whole = Vec::new();
    while let Some(page) = pages.next().unwrap() {
        whole.extend(page);
    }
    assert!(whole.ends_with(b"98\n99\n"), "{whole:?}");
    let last = LogParams {
        tail: Some(3),
        ..terminal()
    };
    assert_eq!(all(dir.path(), last), b"97\n98\n99\n");
}

/// Returns the resident memory of this process in bytes (proc(5), statm: the second field, in
/// pages).
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Set in a process that runs only the measured test.
const ALONE: &str = "VCH_TEST_ALONE";

/// Runs a test of this module in a separate process, so that the memory of other tests is not
/// counted.
fn runs_alone(test: &str) {
    let (_, module) = module_path!().split_once("::").unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([&format!("{module}::{test}"), "--exact"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[test]
fn sixty_four_mebibytes_of_newlines_take_a_page_of_memory_at_a_time() {
    const SIZE: u64 = 64 << 20;
    if std::env::var_os(ALONE).is_none() {
        return runs_alone("sixty_four_mebibytes_of_newlines_take_a_page_of_memory_at_a_time");
    }
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::open(dir.path(), SIZE / 2, 3).unwrap();
    let chunk = vec![b'\n'; 1 << 20];
    for _ in 0..SIZE / chunk.len() as u64 {
        writer
            .append(Stdout, 1_700_000_000_123_456_789, &chunk)
            .unwrap();
    }
    let before = resident();
    let grown = |params: LogParams, bytes: u64| {
        let mut pages = Pages::of(dir.path().to_owned(), params).unwrap();
        let (mut most, mut shown) = (0, 0);
        while let Some(page) = pages.next().unwrap() {
            most = most.max(resident().saturating_sub(before));
            shown += page.len() as u64;
        }
        assert_eq!(shown, bytes);
        assert!(most < 32 << 20, "it grew by {most} bytes");
    };
    let dated = LogParams {
        timestamps: true,
        ..terminal()
    };
    // A time has 30 characters, followed by a space and the newline.
    grown(dated, SIZE * 32);
    grown(
        LogParams {
            tail: Some(10_000),
            ..dated
        },
        10_000 * 32,
    );
    grown(
        LogParams {
            tail: Some(usize::MAX),
            ..terminal()
        },
        SIZE,
    );
}

use super::*;
use std::{io::Read, os::unix::net::UnixStream, time::Instant};

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn what_is_logged_is_written_in_order_by_the_end() {
    let (log, mut read) = UnixStream::pair().unwrap();
    let (writer, flush) = LogWriter::spawn(log).unwrap();
    for n in 0..100 {
        writeln!(writer.make_writer(), "line {n}").unwrap();
    }
    drop((flush, writer));
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    let wanted: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
    assert_eq!(lines(&text), wanted);
}

#[test]
fn a_log_that_nobody_reads_holds_nobody_up_and_what_was_left_out_is_counted() {
    const LINES: u64 = 20_000;
    let (log, mut read) = UnixStream::pair().unwrap();
    let (writer, flush) = LogWriter::spawn(log).unwrap();
    let line = "x".repeat(199) + "\n";
    let began = Instant::now();
    for _ in 0..LINES {
        writer.make_writer().write_all(line.as_bytes()).unwrap();
    }
    drop(flush);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    // Once the log is read again, lines arrive, with the number of dropped ones.
    let reader = thread::spawn(move || {
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        text
    });
    drop(writer);
    let text = reader.join().unwrap();
    let told = text
        .lines()
        .filter_map(|line| line.split_once(" lines are left out"));
    let left_out: u64 = told.map(|(count, _)| count.parse::<u64>().unwrap()).sum();
    let written = text.lines().filter(|line| line.starts_with('x')).count();
    assert!(left_out > 0);
    assert_eq!(left_out + u64::try_from(written).unwrap(), LINES);
}

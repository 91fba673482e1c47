use super::*;

fn lines(out: &[u8]) -> Vec<String> {
    let text = String::from_utf8(out.to_vec()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_kernels_log_gets_no_more_than_it_takes_and_is_told_of_the_rest() {
    let start = Instant::now();
    let mut kmsg = Kmsg::new(Vec::new(), start);
    for number in 0..30 {
        kmsg.write(start, LogLevel::Info, &format!("line {number}"))
            .unwrap();
    }
    assert_eq!(lines(&kmsg.out).len(), 10);
    kmsg.write(start + KMSG_PERIOD, LogLevel::Error, "after")
        .unwrap();
    let said = lines(&kmsg.out);
    assert_eq!(said[10], "<28>tether-net: 20 lines were left out here");
    assert_eq!(said[11], "<27>tether-net: after");
}

#[test]
fn a_record_of_the_kernels_log_is_short_and_whole() {
    let start = Instant::now();
    let mut kmsg = Kmsg::new(Vec::new(), start);
    kmsg.write(start, LogLevel::Debug, &"ä".repeat(2000))
        .unwrap();
    let said = lines(&kmsg.out);
    assert_eq!(said.len(), 1);
    assert!(said[0].len() < 1000 && said[0].starts_with("<31>tether-net: ää"));
}

#[test]
fn the_coordinator_gets_lines_without_line_breaks_and_no_more_than_wait() {
    let (log, mut taken) = Log::open(Destination::Stderr, false).unwrap();
    tracing::subscriber::with_default(log, || {
        tracing::info!(nic = "eth0", "up\nand running");
        tracing::debug!("not this");
        for _ in 0..2 * WAITING {
            tracing::warn!("{}", "x".repeat(2000));
        }
    });
    let first = taken.try_recv().unwrap();
    assert_eq!(first.level, LogLevel::Info);
    assert_eq!(first.text, "upand running nic=\"eth0\"");
    let second = taken.try_recv().unwrap();
    assert_eq!(
        (second.level, second.text.len()),
        (LogLevel::Warn, MAX_LOG_TEXT)
    );
}

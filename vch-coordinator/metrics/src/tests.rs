use super::*;
use std::{sync::atomic::AtomicU64, sync::atomic::Ordering, thread};

const REQUESTS: Description = Description::new("vch_requests_total", "Requests.");
const SECONDS: Description = Description::new("vch_wait_seconds", "How long it took.");

#[test]
fn each_kind_is_written_as_the_format_says() {
    let registry = Registry::default();
    let failed = REQUESTS.of("outcome", "failed").counter();
    let done = REQUESTS.of("outcome", "done").counter();
    let open = Description::new("vch_open", "What is\nopen, \\ by count.").gauge();
    let seconds = SECONDS.histogram(&[0.01, 0.5, 2.0]);
    registry.add(failed.clone()).unwrap();
    registry.add(done.clone()).unwrap();
    registry.add(open.clone()).unwrap();
    registry.add(seconds.clone()).unwrap();
    let (queue, read) = (
        Description::new("vch_queue", "Jobs."),
        Description::new("vch_read_total", "Reads."),
    );
    registry.add(queue.read_gauge(|| 7)).unwrap();
    registry
        .add(read.of("by", "a \"quoted\\ one\"\n").read_counter(|| 8))
        .unwrap();
    failed.inc();
    done.inc_by(3);
    open.set(-2);
    for value in [0.01, 0.4, 0.6, 3.0] {
        seconds.observe(value);
    }
    let expected = "\
# HELP vch_open What is\\nopen, \\\\ by count.
# TYPE vch_open gauge
vch_open -2
# HELP vch_queue Jobs.
# TYPE vch_queue gauge
vch_queue 7
# HELP vch_read_total Reads.
# TYPE vch_read_total counter
vch_read_total{by=\"a \\\"quoted\\\\ one\\\"\\n\"} 8
# HELP vch_requests_total Requests.
# TYPE vch_requests_total counter
vch_requests_total{outcome=\"done\"} 3
vch_requests_total{outcome=\"failed\"} 1
# HELP vch_wait_seconds How long it took.
# TYPE vch_wait_seconds histogram
vch_wait_seconds_bucket{le=\"0.01\"} 1
vch_wait_seconds_bucket{le=\"0.5\"} 2
vch_wait_seconds_bucket{le=\"2\"} 3
vch_wait_seconds_bucket{le=\"+Inf\"} 4
vch_wait_seconds_sum 4.01
vch_wait_seconds_count 4
";
    assert_eq!(registry.text().unwrap(), expected);
    assert_eq!(CONTENT_TYPE, "text/plain; version=0.0.4");
}

#[test]
fn what_has_no_metric_is_an_empty_text() {
    assert_eq!(Registry::default().text().unwrap(), "");
}

#[test]
fn a_reading_is_what_its_owner_has_at_that_moment() {
    static VALUE: AtomicU64 = AtomicU64::new(0);
    let registry = Registry::default();
    let reading = REQUESTS.read_counter(|| VALUE.load(Ordering::Relaxed));
    registry.add(reading).unwrap();
    assert!(registry.text().unwrap().ends_with("vch_requests_total 0\n"));
    VALUE.store(1 << 40, Ordering::Relaxed);
    let text = registry.text().unwrap();
    assert!(
        text.ends_with("vch_requests_total 1099511627776\n"),
        "{text}"
    );
}

#[test]
fn one_metric_is_registered_once_and_one_name_says_one_thing() {
    let registry = Registry::default();
    registry
        .add(REQUESTS.of("outcome", "done").counter())
        .unwrap();
    let again = registry.add(REQUESTS.of("outcome", "done").counter());
    assert!(again.unwrap_err().to_string().contains("twice"));
    let other = Description::new("vch_requests_total", "Something else.");
    registry
        .add(other.of("outcome", "failed").counter())
        .unwrap_err();
    registry
        .add(REQUESTS.of("kind", "done").counter())
        .unwrap_err();
    registry
        .add(REQUESTS.of("outcome", "failed").counter())
        .unwrap();
}

#[test]
fn no_observation_of_many_threads_is_lost_while_others_read() {
    const THREADS: usize = 4;
    const EACH: usize = 10_000;
    let registry = Registry::default();
    let seconds = SECONDS.histogram(&[0.5]);
    registry.add(seconds.clone()).unwrap();
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    seconds.observe(0.25);
                }
            });
        }
        for _ in 0..100 {
            let text = registry.text().unwrap();
            let number = |name: &str| {
                let line = text.lines().find(|line| line.starts_with(name));
                line.and_then(|line| line.rsplit(' ').next())
                    .unwrap()
                    .to_owned()
            };
            // A reader sees whole observations.
            assert_eq!(
                number("vch_wait_seconds_bucket{le=\"0.5\"}"),
                number("vch_wait_seconds_count")
            );
        }
    });
    let all = u64::try_from(THREADS * EACH).unwrap();
    assert_eq!(seconds.get_sample_count(), all);
}

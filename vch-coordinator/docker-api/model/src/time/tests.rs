use crate::time::*;

#[test]
fn a_time_is_written_as_go_does() {
    for (seconds, nanos, text) in [
        (0, 0, "1970-01-01T00:00:00Z"),
        (951_782_400, 120_000_000, "2000-02-29T00:00:00.12Z"),
        (1_136_214_245, 999_999_999, "2006-01-02T15:04:05.999999999Z"),
        (4_107_542_400, 1, "2100-03-01T00:00:00.000000001Z"),
        (1_709_164_799, 0, "2024-02-28T23:59:59Z"),
        (1_709_164_800, 1_000, "2024-02-29T00:00:00.000001Z"),
    ] {
        assert_eq!(rfc3339(Duration::new(seconds, nanos)), text);
    }
}

#[test]
fn a_line_of_a_log_is_dated_with_nine_digits() {
    for (nanos, text) in [
        (0, "2006-01-02T15:04:05.000000000Z"),
        (120_000_000, "2006-01-02T15:04:05.120000000Z"),
        (999_999_999, "2006-01-02T15:04:05.999999999Z"),
    ] {
        assert_eq!(rfc3339_fixed(Duration::new(1_136_214_245, nanos)), text);
    }
    assert_eq!(
        rfc3339_fixed(Duration::MAX),
        "9999-12-30T22:00:00.999999999Z"
    );
}

#[test]
fn a_day_that_no_calendar_has_is_none() {
    for (text, there) in [
        ("2024-02-29", true),
        ("2023-02-29", false),
        ("2100-02-29", false),
        ("2000-02-29", true),
        ("2024-04-31", false),
        ("2024-00-01", false),
        ("2024-01-00", false),
        ("1969-12-31", false),
        ("99999-01-01", false),
        ("2024-01-01-01", false),
        ("2024-01-01T24:00", false),
        ("2024-01-01T00:00+24:00", false),
    ] {
        assert_eq!(moment(text, Duration::ZERO).is_some(), there, "{text}");
    }
}

#[test]
fn a_moment_is_read_in_each_of_dockers_forms() {
    let now = Duration::from_secs(2_000_000_000);
    let at = |seconds, nanos| Some(Duration::new(seconds, nanos));
    for (text, moment_of_it) in [
        ("1136073845.000000001", at(1_136_073_845, 1)),
        ("1136073845.5", at(1_136_073_845, 500_000_000)),
        // The tests of the crate bollard write it in this form.
        (
            "1136073845.1136073845000000001",
            at(1_136_073_845, 113_607_384),
        ),
        ("1136073845", at(1_136_073_845, 0)),
        ("10m", at(1_999_999_400, 0)),
        ("1h1.5s", at(1_999_996_398, 500_000_000)),
        ("2\u{b5}s", at(1_999_999_999, 999_998_000)),
        ("2\u{3bc}s", at(1_999_999_999, 999_998_000)),
        ("0s", at(2_000_000_000, 0)),
        ("2006-01-02T15:04:05Z", at(1_136_214_245, 0)),
        (
            "2006-01-02T15:04:05.25+01:00",
            at(1_136_210_645, 250_000_000),
        ),
        ("2006-01-02T15:04:05-07:00", at(1_136_239_445, 0)),
        ("2006-01-02T15:04", at(1_136_214_240, 0)),
        ("2006-01-02", at(1_136_160_000, 0)),
        ("2006-01-02Z", at(1_136_160_000, 0)),
    ] {
        assert_eq!(moment(text, now), moment_of_it, "{text}");
    }
    for text in [
        "",
        "yesterday",
        "2006-02-30",
        "2006-13-01",
        "10",
        "-10m",
        "5x",
        "1:2",
        "1.00000000000000000000",
    ] {
        let expected = (text == "10").then(|| Duration::from_secs(10));
        assert_eq!(moment(text, now), expected, "{text}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for day in 0..60_000_u64 {
        let time = Duration::new(day * 86_400 + day % 86_400, 123_000_000);
        assert_eq!(moment(&rfc3339(time), Duration::ZERO), Some(time));
    }
}

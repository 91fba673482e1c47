//! Times as Docker writes and parses them. The crate jiff provides the calendar; the formats are Docker's own: a
//! date may lack parts, an age is written as Go writes durations (`1h30m`), and seconds may have up to 19 decimal
//! places.
//!
//! A moment is a [`Duration`] since 1970-01-01 UTC.

mod bound;

pub use bound::TimeBound;

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// Returns a moment in RFC 3339 like [`rfc3339`], but always with nine decimal places, as dockerd writes it before
/// lines of a log.
pub fn rfc3339_fixed(since_1970: Duration) -> String {
    format!("{:.9}", timestamp(since_1970))
}

/// Returns a moment in RFC 3339, in UTC, without trailing zeros in the fraction, as Go prints it. A moment after
/// the year 9999 is shown as the last one of that year.
pub fn rfc3339(since_1970: Duration) -> String {
    timestamp(since_1970).to_string()
}

/// Converts a time to the crate jiff's type; a time after the year 9999 becomes the last one of
/// that year.
fn timestamp(since_1970: Duration) -> Timestamp {
    let since_1970 = SignedDuration::try_from(since_1970);
    let timestamp = since_1970.and_then(Timestamp::from_duration);
    timestamp.unwrap_or(Timestamp::MAX)
}

/// Returns the present moment of the system's clock, as the time since 1970; 0 if the clock is before 1970.
pub fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// Returns the present moment of the system's clock in milliseconds since 1970; 0 if the clock is before 1970.
pub fn now_ms() -> u64 {
    u64::try_from(now().as_millis()).unwrap_or(u64::MAX)
}

/// Parses a moment as clients write it for `since` and `until`, and returns it as the time since 1970. The text is the
/// seconds since 1970 with an optional fraction, an age before `now` such as `1h30m`, or a date in RFC 3339 that may
/// lack parts and is in UTC without an offset. Returns `None` if the text has none of these forms.
pub fn moment(text: &str, now: Duration) -> Option<Duration> {
    seconds(text)
        .or_else(|| Some(now.saturating_sub(age(text)?)))
        .or_else(|| date(text))
}

/// The number of digits of a fraction, of which the first nine count: dockerd parses it as a 64-bit
/// number.
const FRACTION: usize = 19;

/// Parses `1136073845.000000001`: seconds and nanoseconds.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > FRACTION {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

/// Parses a duration as Go's `time.ParseDuration` does, such as `1h30m` or `1.5s`, with the units `h`, `m`, `s`, `ms`,
/// `us`, `µs` and `ns`. Returns `None` if the text is not such a duration, or is a negative one.
pub fn age(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let value: f64 = rest.get(..number)?.parse().ok()?;
        rest = rest.get(number..)?;
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.');
        let unit = rest.get(..end.unwrap_or(rest.len()))?;
        let scale = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            // The micro sign, and the Greek letter that looks like it: Go reads both.
            "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(value * scale).ok()?)?;
        rest = rest.get(unit.len()..)?;
    }
    (!text.is_empty()).then_some(sum)
}

/// Parses `2006-01-02`, `2006-01-02T15:04`, `…:05`, `….999`, each with `Z`, an offset, or nothing
/// for UTC.
fn date(text: &str) -> Option<Duration> {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let (day, offset) = match (time.is_empty(), day.strip_suffix('Z')) {
        (true, Some(day)) => (day, ""),
        _ => (day, time),
    };
    let mut parts = day.split('-').map(|part| part.parse().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    let (clock, offset) = split_offset(offset)?;
    let midnight = midnight(year, month, day)? - offset;
    let clock = of_day(clock)?;
    Some(Duration::from_secs(u64::try_from(midnight).ok()?) + clock)
}

/// Returns the seconds from 1970 to the beginning of a day in UTC; `None` if the calendar has no
/// such day.
fn midnight(year: i64, month: i64, day: i64) -> Option<i64> {
    let (year, month, day) = (year.try_into(), month.try_into(), day.try_into());
    let day = Date::new(year.ok()?, month.ok()?, day.ok()?).ok()?;
    let midnight = day.to_zoned(TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_second())
}

/// Splits a time of day from its offset, which is in seconds east of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, 0));
    };
    let (hours, minutes) = time.get(at + 1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let sign = if time[at..].starts_with('-') { -1 } else { 1 };
    let offset = sign * (hours * 3_600 + minutes * 60);
    (offset.abs() < DAY).then_some((&time[..at], offset))
}

fn of_day(clock: &str) -> Option<Duration> {
    if clock.is_empty() {
        return Some(Duration::ZERO);
    }
    let mut parts = clock.splitn(3, ':');
    let hour: u64 = parts.next()?.parse().ok()?;
    let minute: u64 = parts.next().unwrap_or("0").parse().ok()?;
    let second = seconds(parts.next().unwrap_or("0"))?;
    let possible = hour < 24 && minute < 60 && second.as_secs() < 61;
    possible.then(|| Duration::from_secs(hour * 3_600 + minute * 60) + second)
}

#[cfg(test)]
mod tests;

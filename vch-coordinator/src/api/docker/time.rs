//! Times as Docker writes and reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// As [`rfc3339`], with nine digits behind the second, as dockerd dates the lines of logs.
pub fn rfc3339_fixed(since_1970: Duration) -> String {
    let whole = rfc3339(Duration::from_secs(since_1970.as_secs()));
    let second = whole.strip_suffix('Z').unwrap_or(&whole);
    format!("{second}.{:09}Z", since_1970.subsec_nanos())
}

/// RFC 3339 in UTC, as Go prints it: without zeros at the fraction's end.
pub fn rfc3339(since_1970: Duration) -> String {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let second = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    let nanos = since_1970.subsec_nanos();
    if nanos > 0 {
        let fraction = format!(".{nanos:09}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// The time now, since 1970.
pub fn now() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

/// A moment as clients give it for `since` and `until`: seconds since 1970 with a fraction, an age
/// as Go writes durations (`1h30m`), or a date in RFC 3339, of which parts may be missing.
pub fn moment(text: &str, now: Duration) -> Option<Duration> {
    seconds(text)
        .or_else(|| Some(now.saturating_sub(age(text)?)))
        .or_else(|| date(text))
}

/// Digits of a fraction, of which the first nine count: dockerd reads it as a number of 64 bits.
const FRACTION: usize = 19;

/// `1136073845.000000001`: the fraction's digits are nanoseconds from the left.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > FRACTION {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    Some(Duration::new(whole.parse().ok()?, nanos))
}

/// A duration as Go's `time.ParseDuration` reads it; a negative one is none here.
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
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        sum = sum.checked_add(Duration::try_from_secs_f64(value * scale).ok()?)?;
        rest = rest.get(unit.len()..)?;
    }
    (!text.is_empty()).then_some(sum)
}

/// `2006-01-02`, `2006-01-02T15:04`, `…:05`, `….999`, each with `Z`, an offset or nothing, which
/// means UTC.
fn date(text: &str) -> Option<Duration> {
    let (day, time) = text.split_once('T').unwrap_or((text, ""));
    let (day, offset) = match (time.is_empty(), day.strip_suffix('Z')) {
        (true, Some(day)) => (day, ""),
        _ => (day, time),
    };
    let mut parts = day.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1970..=9999).contains(&year) {
        return None;
    }
    let days = days(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    let (clock, offset) = split_offset(offset)?;
    let midnight = days.checked_mul(DAY)?.checked_sub(offset)?;
    let clock = of_day(clock)?;
    Some(Duration::from_secs(u64::try_from(midnight).ok()?) + clock)
}

/// The clock's text, and the seconds by which it is ahead of UTC.
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

/// Year, month and day of a day since 1970: H. Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The same the other way round: `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;

//! Reads the expiry date of a certificate: its `notAfter` (RFC 5280, 4.1.2.5).

use jiff::{civil::Date, tz::TimeZone};
use std::time::{Duration, SystemTime};

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Returns the expiry date of a certificate in DER; `None` if it cannot be parsed.
pub(super) fn ends(certificate: &[u8]) -> Option<SystemTime> {
    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (mut fields, _) = element(certificate, SEQUENCE)?;
    if let Some((_, rest)) = element(fields, VERSION) {
        fields = rest;
    }
    // Skips the serial number, the signature algorithm and the issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = element(fields, tag)?;
    }
    let (validity, _) = element(fields, SEQUENCE)?;
    let (_, _, rest) = any(validity)?;
    let (tag, text, _) = any(rest)?;
    moment(tag, text)
}

/// Returns the content of an element with the expected tag, and the bytes that follow the element;
/// `None` if the tag differs.
fn element(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = any(bytes)?;
    (tag == wanted).then_some((content, rest))
}

/// Returns an element's tag and content, and the bytes that follow it (X.690, 8.1); `None` if the
/// encoding is not valid.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, bytes) = bytes.split_first()?;
    let (&first, bytes) = bytes.split_first()?;
    let (length, bytes) = match first {
        0..0x80 => (usize::from(first), bytes),
        _ => {
            let (digits, rest) = bytes.split_at_checked(usize::from(first & 0x7f))?;
            let mut length = 0_usize;
            for digit in digits {
                length = length.checked_mul(256)?.checked_add(usize::from(*digit))?;
            }
            (length, rest)
        }
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Parses a time of the form `YYMMDDHHMMSSZ` (UTCTime) or `YYYYMMDDHHMMSSZ` (GeneralizedTime).
fn moment(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| {
        digits
            .iter()
            .fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'))
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (number(year), rest)
        }
        _ => return None,
    };
    let parts: Vec<i64> = rest.chunks_exact(2).map(number).collect();
    let [month, day, hour, minute, second] = parts[..] else {
        return None;
    };
    let day = Date::new(
        year.try_into().ok()?,
        month.try_into().ok()?,
        day.try_into().ok()?,
    );
    let midnight = day.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let seconds = midnight.as_second() + (hour * 60 + minute) * 60 + second;
    // Dates before 1970 are in the past, whichever they are.
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests;

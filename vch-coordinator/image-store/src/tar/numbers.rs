//! Parses numbers in headers: octal text, or base 256 if the first bit is set (GNU).

/// Parses a header's field; `None` if it is neither.
pub(super) fn parse(field: &[u8]) -> Option<i128> {
    match field.first() {
        Some(first) if first & 0x80 != 0 => {
            // The sign is the second bit of the first byte.
            let negative = first & 0x40 != 0;
            let mut value: i128 = if negative { -1 } else { 0 };
            for (at, byte) in field.iter().enumerate() {
                let byte = if at == 0 && !negative {
                    byte & 0x7f
                } else {
                    *byte
                };
                value = value.checked_mul(256)? | i128::from(byte);
            }
            Some(value)
        }
        _ => octal(field),
    }
}

fn octal(field: &[u8]) -> Option<i128> {
    let blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !blank(byte));
    let Some(start) = start else {
        return Some(0);
    };
    let rest = &field[start..];
    let end = rest.iter().position(blank).unwrap_or(rest.len());
    rest[..end].iter().try_fold(0_i128, |value, byte| {
        let digit = matches!(byte, b'0'..=b'7').then(|| i128::from(byte - b'0'))?;
        Some(value * 8 + digit)
    })
}

/// Parses a number in decimal digits only, as pax records have them.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    text.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Parses the seconds of a pax time; rounds a fraction down.
pub(super) fn seconds(text: &[u8]) -> Option<i64> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let whole = i64::try_from(decimal(whole)?).ok()?;
    if !negative {
        return Some(whole);
    }
    let partly = fraction.iter().any(|digit| *digit != b'0');
    Some(-whole - i64::from(partly))
}

//! Records of pax extended headers: `LENGTH KEY=VALUE\n`.

use super::numbers::decimal;

/// Returns key and value of each record, in their order; `None` if the bytes are not of that form.
pub(super) fn records(mut bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
        let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
        let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        if equals == 0 {
            return None;
        }
        found.push((&record[..equals], &record[equals + 1..]));
        bytes = &bytes[length..];
    }
    Some(found)
}

/// Appends a record.
pub(super) fn push(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    // The length counts its own digits.
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

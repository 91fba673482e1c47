//! Cleans texts that come from guests, consoles and QEMU as soon as they arrive, so that logs, stored documents and
//! terminals can show them safely.

/// The maximum length of one cleaned text, in bytes. Such a text is stored with the container and shown on terminals.
pub const MAX_TEXT: usize = 4 << 10;
/// Stands for what was cut off.
const CUT: &str = "…";

/// Returns a text that is safe to show: without control characters and of at most [`MAX_TEXT`] bytes. Line breaks and
/// tabs become spaces; characters that a terminal would obey are left out.
pub fn clean(text: &str) -> String {
    cut(text, MAX_TEXT)
}

/// Returns a text that is safe to show, as [`clean`] does, of at most `most` bytes. A longer text ends with `…`.
pub fn cut(text: &str, most: usize) -> String {
    let mut cleaned = String::with_capacity(text.len().min(MAX_TEXT));
    for character in text.chars() {
        let character = match character {
            '\n' | '\r' | '\t' => ' ',
            other if obeyed(other) => continue,
            other => other,
        };
        if cleaned.len() + character.len_utf8() > most {
            while cleaned.len() + CUT.len() > most {
                cleaned.pop();
            }
            cleaned.push_str(CUT);
            break;
        }
        cleaned.push(character);
    }
    cleaned
}

/// Returns whether a terminal obeys a character in place of showing it: control characters, and those that change the
/// direction of the text behind them (Unicode Standard Annex 9).
fn obeyed(character: char) -> bool {
    let directions = ['\u{200e}', '\u{200f}', '\u{61c}'];
    character.is_control()
        || directions.contains(&character)
        || ('\u{202a}'..='\u{202e}').contains(&character)
        || ('\u{2066}'..='\u{2069}').contains(&character)
        || ('\u{2028}'..='\u{2029}').contains(&character)
}

#[cfg(test)]
mod tests;

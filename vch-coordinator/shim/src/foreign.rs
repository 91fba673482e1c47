//! Texts of guests, consoles and QEMU, made fit for logs, documents and terminals where they enter.

/// Most bytes of one text: it is kept in the ledger's document of the container, and shown on a terminal.
pub const MAX_TEXT: usize = 4 << 10;
/// Stands for what was cut off.
const CUT: &str = "…";

/// A text without control characters and of at most [`MAX_TEXT`] bytes: white space becomes a space, and what a
/// terminal would obey is left out.
pub fn clean(text: &str) -> String {
    cut(text, MAX_TEXT)
}

/// The same as [`clean`], with another bound.
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

/// Whether a terminal does something else than show it: control characters, and those that change the direction of
/// what follows (Unicode Standard Annex 9).
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

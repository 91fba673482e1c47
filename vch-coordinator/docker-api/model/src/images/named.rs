//! Names of images, and the patterns that select them.

use crate::filters::Filters;
use vch_image_store::{Image, reference::Which};

/// Returns the image's tags and its digests.
pub fn names(image: &Image) -> (Vec<String>, Vec<String>) {
    let (tags, digests): (Vec<_>, Vec<_>) = image
        .names
        .iter()
        .partition(|name| matches!(name.which(), Which::Tag(_)));
    let text = |names: Vec<&vch_image_store::Reference>| -> Vec<String> {
        names.into_iter().map(|name| name.familiar()).collect()
    };
    (text(tags), text(digests))
}

/// Returns whether a name matches the filter `reference`.
pub fn is_meant(filters: &Filters, name: &str) -> bool {
    let bare = name.rsplit_once(':').map_or(name, |(bare, _)| bare);
    let mut patterns = filters.values("reference");
    !filters.has("reference")
        || patterns.any(|pattern| matches(pattern, name) || matches(pattern, bare))
}

/// Returns whether a text matches a pattern of Go's path.Match with `*` and `?`, neither of which
/// matches a slash.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if wanted == character || (*wanted == '?' && *character != '/') => {
                p += 1;
                t += 1;
            }
            _ => match star {
                // The last star matches one more character.
                Some((at, from)) if text.get(from) != Some(&'/') => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                _ => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests;

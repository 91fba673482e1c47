use crate::json::syntax::{MAX_DEPTH, MAX_VALUES, SyntaxError, check};
use proptest::prelude::*;

fn message_of(text: &str) -> String {
    check(text.as_bytes())
        .expect_err("it is no JSON")
        .to_string()
}

#[test]
fn what_is_no_json_is_told_in_the_words_of_go() {
    for (text, expected) in [
        ("", "invalid JSON: got EOF while reading request body"),
        (" \n", "invalid JSON: got EOF while reading request body"),
        (
            "{invalid",
            "invalid JSON: invalid character 'i' looking for beginning of object key string",
        ),
        ("{}trailing", "unexpected content after JSON"),
        ("{} {}", "unexpected content after JSON"),
        (
            "invalid",
            "invalid JSON: invalid character 'i' looking for beginning of value",
        ),
        (
            "[1,]",
            "invalid JSON: invalid character ']' looking for beginning of value",
        ),
        (
            r#"{"a":1,}"#,
            "invalid JSON: invalid character '}' looking for beginning of object key string",
        ),
        (
            r#"{"a" 1}"#,
            "invalid JSON: invalid character '1' after object key",
        ),
        (
            r#"{"a":1 "b"}"#,
            "invalid JSON: invalid character '\"' after object key:value pair",
        ),
        (
            "[1 2]",
            "invalid JSON: invalid character '2' after array element",
        ),
        (
            "nope",
            "invalid JSON: invalid character 'o' in literal null (expecting 'u')",
        ),
        (
            "tru}",
            "invalid JSON: invalid character '}' in literal true (expecting 'e')",
        ),
        (
            "\"a\nb\"",
            "invalid JSON: invalid character '\\n' in string literal",
        ),
        (
            r#""\x""#,
            "invalid JSON: invalid character 'x' in string escape code",
        ),
        (
            r#""\u12'""#,
            "invalid JSON: invalid character '\\'' in \\u hexadecimal character escape",
        ),
        (
            "-x",
            "invalid JSON: invalid character 'x' in numeric literal",
        ),
        (
            "1.x",
            "invalid JSON: invalid character 'x' after decimal point in numeric literal",
        ),
        (
            "1ex",
            "invalid JSON: invalid character 'x' in exponent of numeric literal",
        ),
        (r#"{"a":"#, "invalid JSON: unexpected EOF"),
        (r#"{"a":"b"#, "invalid JSON: unexpected EOF"),
    ] {
        assert_eq!(message_of(text), expected, "{text:?}");
    }
}

#[test]
fn deep_and_wide_texts_are_refused() {
    assert!(check(&[b'['; 1 << 20]).is_err_and(|error| error == SyntaxError::Depth));
    let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
    assert_eq!(check(deepest.as_bytes()), Ok(()));
    let wide = format!("[{}0]", "0,".repeat(MAX_VALUES));
    assert_eq!(check(wide.as_bytes()), Err(SyntaxError::Values));
}

proptest! {
    /// Checks that the check and serde_json accept the same texts, except for strings with invalid
    /// UTF-8 and lone surrogates, which Go accepts.
    #[test]
    fn it_agrees_with_serde_json(text in r#"[\[\]{}:,"0-9.eE+\-tfnrualse \\u]{0,24}"#) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        let surrogate = theirs.as_ref().is_err_and(|error| {
            let words = error.to_string();
            words.contains("surrogate") || words.contains("hex escape") || words.contains("number out of range")
        });
        prop_assume!(!surrogate);
        prop_assert_eq!(check(text.as_bytes()).is_ok(), theirs.is_ok(), "{}", text);
    }
}

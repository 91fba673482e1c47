use super::{MAX_TEXT, clean, cut};

#[test]
fn what_a_terminal_would_obey_is_left_out() {
    assert_eq!(clean("a\x1b[2Jb\x07\u{9b}31mc"), "a[2Jb31mc");
    assert_eq!(clean("one\r\ntwo\tthree"), "one  two three");
    assert_eq!(clean("\u{202e}txt.exe\u{2066}"), "txt.exe");
    assert_eq!(clean("Grüße, 世界"), "Grüße, 世界");
}

#[test]
fn a_text_is_cut_at_its_bound_and_says_so() {
    let cleaned = clean(&"x".repeat(64 << 10));
    assert_eq!(cleaned.len(), MAX_TEXT);
    assert!(cleaned.ends_with("x…"));
    assert_eq!(clean(&"x".repeat(MAX_TEXT)).len(), MAX_TEXT);
    let wide = clean(&"世".repeat(MAX_TEXT));
    assert!(wide.len() <= MAX_TEXT && wide.ends_with("世…"));
    assert_eq!(cut("eth0", 15), "eth0");
}

use super::*;

fn refused(text: &str) -> &'static str {
    text.parse::<Name>().unwrap_err().code()
}

#[test]
fn a_name_is_lower_cased_and_its_trailing_dot_dropped() {
    let name: Name = "Web.Back_End-1.".parse().unwrap();
    assert_eq!(name.to_string(), "web.back_end-1");
    assert_eq!(name.as_wire(), b"\x03web\x0aback_end-1\0");
    assert_eq!(name, "web.back_end-1".parse().unwrap());
}

#[test]
fn what_cannot_stand_in_a_message_is_refused_with_its_reason() {
    assert_eq!(refused(""), "dns-name-empty");
    assert_eq!(refused("."), "dns-name-empty");
    assert_eq!(refused("a..b"), "dns-name-empty-label");
    assert_eq!(refused(".a"), "dns-name-empty-label");
    assert_eq!(refused("a b"), "dns-name-character");
    assert_eq!(refused("b\u{fc}cher"), "dns-name-character");
    assert_eq!(refused(&"a".repeat(64)), "dns-name-label-too-long");
    assert_eq!(refused(&"a.".repeat(127).repeat(2)), "dns-name-too-long");
}

#[test]
fn the_longest_name_and_label_are_accepted() {
    assert!("a".repeat(63).parse::<Name>().is_ok());
    let longest = vec!["a"; 127].join(".");
    assert_eq!(longest.len(), 253);
    assert_eq!(longest.parse::<Name>().unwrap().as_wire().len(), 255);
}

#[test]
fn an_error_repeats_only_the_beginning_of_a_huge_name() {
    let error = "x".repeat(1_000_000).parse::<Name>().unwrap_err();
    assert!(error.to_string().len() < 200, "{error}");
}

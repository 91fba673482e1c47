use super::*;

#[test]
fn names_are_identifiers_of_at_most_255_bytes() {
    for good in ["vch", "_a", "a-b.c/d", &"x".repeat(255)] {
        assert_eq!(Name::new(good).unwrap().as_str(), good);
    }
    for bad in [
        "",
        "1st",
        "a b",
        "a\0",
        "é",
        "a;b",
        "\"a\"",
        &"x".repeat(256),
    ] {
        let error = Name::new(bad).unwrap_err();
        assert!(error.value.len() <= 64, "{error}");
    }
}

#[test]
fn interface_names_fill_a_register_and_come_back() {
    for good in ["lo", "br-0123456789ab", "eth0.100"] {
        let name = InterfaceName::new(good).unwrap();
        assert_eq!(name.as_str(), good);
        assert_eq!(InterfaceName::from_register(name.register()), Some(name));
    }
    for bad in ["", "0123456789abcdef", "a b", "a/b", "eth*", "a\0b"] {
        assert!(InterfaceName::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn comments_hold_nothing_that_would_end_them() {
    assert!(Comment::new("ports of web (10.2.0.1)").is_ok());
    for bad in ["", "a\"b", "a\\b", "a\nb", &"x".repeat(128)] {
        assert!(Comment::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_prefix_leaves_room_for_a_name() {
    assert_eq!(InterfacePrefix::new("vt-").unwrap().as_str(), "vt-");
    assert!(InterfacePrefix::new("").is_err());
    assert!(InterfacePrefix::new("01234567890123").is_ok());
    let error = InterfacePrefix::new("012345678901234").unwrap_err();
    assert!(error.to_string().contains("1 to 14"), "{error}");
}

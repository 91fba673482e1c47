use crate::filters::*;

fn filters(json: &str) -> Filters {
    Filters::parse(Some(json)).unwrap()
}

#[test]
fn both_shapes_are_read_and_anything_else_is_refused() {
    let both = r#"{"name":{"a":true,"b":true},"driver":["bridge"]}"#;
    let read = filters(both);
    assert_eq!(read.values("name").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(read.values("driver").collect::<Vec<_>>(), ["bridge"]);
    assert!(!read.has("label"));
    for text in ["", "x", "[]", r#"{"name":3}"#] {
        assert!(Filters::parse(Some(text)).is_err(), "{text}");
    }
    let refused = read.only(&["name"]).unwrap_err();
    assert_eq!(refused.message, "invalid filter 'driver'");
    assert_eq!(Filters::parse(None).unwrap(), Filters::default());
}

#[test]
fn a_pattern_is_found_anywhere_unless_it_says_where() {
    let read = filters(r#"{"name":["^we", "(", "srv[0-9]$"]}"#);
    for (name, fits) in [
        ("web", true),
        ("my-web", false),
        ("srv1", true),
        ("(", true),
    ] {
        assert_eq!(read.pattern("name", name), fits, "{name}");
    }
    assert!(read.pattern("id", "whatever"));
    // A pattern that exceeds the limit does not match.
    let huge = filters(r#"{"name":["(a{1000}){1000}"]}"#);
    assert!(!huge.pattern("name", "aaaa"));
}

#[test]
fn all_labels_must_be_there() {
    let labels = BTreeMap::from([
        ("a".to_owned(), "1".to_owned()),
        ("b".into(), String::new()),
    ]);
    for (json, fits) in [
        (r#"{"label":["a"]}"#, true),
        (r#"{"label":["a=1","b"]}"#, true),
        (r#"{"label":["a=2"]}"#, false),
        (r#"{"label":["a","c"]}"#, false),
        (r#"{"label!":["a=1"]}"#, false),
        (r#"{"label!":["a=2"]}"#, true),
        (r#"{}"#, true),
    ] {
        assert_eq!(filters(json).prunes(&labels), fits, "{json}");
    }
}

#[test]
fn a_switch_has_one_value_that_is_yes_or_no() {
    assert_eq!(
        filters(r#"{"dangling":["1"]}"#).switch("dangling"),
        Ok(Some(true))
    );
    assert_eq!(
        filters(r#"{"dangling":["false"]}"#).switch("dangling"),
        Ok(Some(false))
    );
    assert_eq!(filters("{}").switch("dangling"), Ok(None));
    for (json, message) in [
        (
            r#"{"dangling":["1","0"]}"#,
            "got more than one value for filter key \"dangling\"",
        ),
        (
            r#"{"dangling":["maybe"]}"#,
            "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")",
        ),
    ] {
        assert_eq!(
            filters(json).switch("dangling").unwrap_err().message,
            message
        );
    }
}

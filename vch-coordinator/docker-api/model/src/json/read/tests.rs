use crate::json::read::typed;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Example {
    detach_keys: Option<String>,
    tty: bool,
    count: i64,
    name: String,
    env: Option<Vec<String>>,
    labels: BTreeMap<String, String>,
    inner: Option<Nested>,
    size: Option<(u16, u16)>,
}

#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Nested {
    text: Option<String>,
    memory: i64,
}

fn read(value: serde_json::Value) -> Result<Example, String> {
    typed(value).map_err(|error| {
        assert_eq!(error.status.as_u16(), 400);
        error.message
    })
}

#[test]
fn an_empty_optional_text_is_an_absent_one_wherever_it_stands() {
    let body =
        json!({ "DetachKeys": "", "Inner": { "Text": "" }, "Env": [""], "Labels": { "a": "" } });
    let read = read(body).unwrap();
    assert_eq!(read.detach_keys, None);
    assert_eq!(read.inner, Some(Nested::default()));
    assert_eq!(
        read.env,
        Some(vec![String::new()]),
        "a text of a list stays"
    );
    assert_eq!(read.labels["a"], "", "so does a label");
}

#[test]
fn null_is_what_a_missing_key_is() {
    let nulls = json!({
        "DetachKeys": null, "Tty": null, "Count": null, "Name": null, "Env": null,
        "Labels": null, "Inner": null, "Size": null,
    });
    assert_eq!(read(nulls).unwrap(), Example::default());
    assert_eq!(read(json!(null)).unwrap(), Example::default());
    let within = read(json!({ "Env": [null], "Labels": { "a": null } })).unwrap();
    assert_eq!(within.env, Some(vec![String::new()]));
    assert_eq!(within.labels["a"], "");
}

#[test]
fn a_key_is_found_whatever_its_case_is() {
    let read = read(json!({ "detachkeys": "ctrl-a", "TTY": true, "labels": { "Name": "x" } }));
    let read = read.unwrap();
    assert_eq!(read.detach_keys.as_deref(), Some("ctrl-a"));
    assert!(read.tty);
    assert_eq!(read.labels["Name"], "x", "a map's own keys stay");
}

#[test]
fn a_value_of_a_wrong_kind_is_named_by_its_path() {
    for (body, words) in [
        (
            json!({ "Tty": "yes" }),
            "invalid JSON: Tty: invalid type: string \"yes\", expected a boolean",
        ),
        (
            json!({ "Inner": { "Memory": "much" } }),
            "invalid JSON: Inner.Memory: invalid type: string \"much\", expected i64",
        ),
        (
            json!({ "Env": ["a", 1] }),
            "invalid JSON: Env.[1]: invalid type: integer `1`, expected a string",
        ),
        (
            json!({ "Count": 1.5 }),
            "invalid JSON: Count: invalid type: floating point `1.5`, expected i64",
        ),
        (
            json!([]),
            "invalid JSON: invalid type: sequence, expected struct Example",
        ),
    ] {
        let error = read(body).unwrap_err();
        assert!(error.starts_with(words), "{error}");
    }
}

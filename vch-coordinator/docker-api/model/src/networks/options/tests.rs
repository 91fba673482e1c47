use crate::networks::options::*;

fn options(given: &[(&str, &str)]) -> NetworkOptions {
    let given = given.iter();
    let given = given.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    NetworkOptions(given.collect())
}

#[test]
fn dockers_options_are_the_ledgers() {
    let given = options(&[
        (ICC, "f"),
        (MASQUERADE, "0"),
        (HOST_BINDING, "127.0.0.1"),
        (INTERFACE_PREFIX, "lan"),
    ]);
    let expected = BridgeOptions {
        icc: false,
        masquerade: false,
        host_binding: Some(Ipv4Addr::LOCALHOST),
        interface_prefix: "lan".parse().ok(),
    };
    assert_eq!(given.bridge(), expected);
}

#[test]
fn what_is_not_readable_is_as_if_it_were_not_given() {
    let odd = options(&[
        (ICC, "perhaps"),
        (MASQUERADE, ""),
        (HOST_BINDING, "fd00::1"),
        (INTERFACE_PREFIX, ""),
    ]);
    assert_eq!(odd.bridge(), BridgeOptions::default());
    let everywhere = options(&[(HOST_BINDING, "0.0.0.0")]);
    assert_eq!(everywhere.bridge().published_at(), None);
}

#[test]
fn the_document_is_a_json_object_of_texts() {
    let given = options(&[(ATTACHABLE, "true"), ("a", "b \"c\"")]);
    let document = given.document().unwrap();
    assert_eq!(
        &*document,
        r#"{"a":"b \"c\"","vch.docker.attachable":"true"}"#
    );
    let shown: Vec<_> = given.given().collect();
    assert_eq!(shown, [(&"a".to_owned(), &"b \"c\"".to_owned())]);
    assert_eq!(&*options(&[]).document().unwrap(), "");
}

#[test]
fn too_many_and_too_long_options_are_refused_by_that_name() {
    let many = (0..200).map(|n| (n.to_string(), String::new())).collect();
    let many = NetworkOptions(many).document().unwrap_err();
    assert_eq!(many.code(), "too-many");
    assert!(many.to_string().contains("options"), "{many}");
    let long = options(&[("key", &"v".repeat(5_000))]);
    let long = long.document().unwrap_err();
    assert!(long.to_string().contains("options"), "{long}");
}

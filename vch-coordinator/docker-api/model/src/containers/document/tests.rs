use crate::containers::document::*;
use serde_json::json;

/// The document of a container that release 0.1.0 created.
const V0_1_0: &str = include_str!("../../../../../runtime/src/workload/v0_1_0.json");

#[test]
fn what_release_0_1_0_kept_is_shown_again() {
    let workload: Workload = serde_json::from_str(V0_1_0).unwrap();
    let document = ContainerDocument::of(&workload);
    assert_eq!(document.exposed, ["443/tcp", "80/tcp"]);
    let binding = (String::new(), "8080".to_owned());
    assert_eq!(document.bindings["80/tcp"], [binding]);
    assert!(document.publish_all);
    assert_eq!(document.links, ["db:store"]);
    assert_eq!(document.dns[2], ["ndots:2"]);
    assert_eq!(document.extra_hosts, ["gate:192.0.2.1"]);
    assert_eq!(document.endpoints["default"], r#"{"Aliases":["www"]}"#);
    // Fields of that release keep their names, so that it can read what this release writes.
    let (written, again) = (&workload.api_document, document.to_value());
    for (field, value) in written.as_object().unwrap() {
        assert_eq!(&again[field], value, "{field}");
    }
}

#[test]
fn an_endpoint_is_recorded_beside_what_is_there() {
    let mut document = json!({ "links": ["db:store"], "endpoints": { "web": "{}" } });
    ContainerDocument::record_endpoint(&mut document, "back".to_owned(), "{\"a\":1}".to_owned());
    let document = ContainerDocument::read(&document);
    assert_eq!(document.links, ["db:store"]);
    let endpoints = [("back", "{\"a\":1}"), ("web", "{}")];
    let endpoints = endpoints.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(document.endpoints, BTreeMap::from(endpoints));
    let mut none = Value::Null;
    ContainerDocument::record_endpoint(&mut none, "web".to_owned(), "{}".to_owned());
    assert_eq!(ContainerDocument::read(&none).endpoints.len(), 1);
}

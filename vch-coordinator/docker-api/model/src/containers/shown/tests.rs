use crate::containers::shown::*;
use serde_json::json;

/// The document of a container that release 0.1.0 created.
const V0_1_0: &str = include_str!("../../../../../runtime/src/workload/v0_1_0.json");

#[test]
fn what_release_0_1_0_kept_is_shown_again() {
    let workload: Workload = serde_json::from_str(V0_1_0).unwrap();
    let shown = Shown::of(&workload);
    assert_eq!(shown.exposed, ["443/tcp", "80/tcp"]);
    let binding = (String::new(), "8080".to_owned());
    assert_eq!(shown.bindings["80/tcp"], [binding]);
    assert!(shown.publish_all);
    assert_eq!(shown.links, ["db:store"]);
    assert_eq!(shown.dns[2], ["ndots:2"]);
    assert_eq!(shown.extra_hosts, ["gate:192.0.2.1"]);
    assert_eq!(shown.endpoints["default"], r#"{"Aliases":["www"]}"#);
    // Fields of that release keep their names, so that it can read what this release writes.
    let (written, again) = (&workload.shown, shown.document());
    for (field, value) in written.as_object().unwrap() {
        assert_eq!(&again[field], value, "{field}");
    }
}

#[test]
fn an_endpoint_is_recorded_beside_what_is_there() {
    let mut document = json!({ "links": ["db:store"], "endpoints": { "web": "{}" } });
    Shown::record_endpoint(&mut document, "back".to_owned(), "{\"a\":1}".to_owned());
    let shown = Shown::read(&document);
    assert_eq!(shown.links, ["db:store"]);
    let endpoints = [("back", "{\"a\":1}"), ("web", "{}")];
    let endpoints = endpoints.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(shown.endpoints, BTreeMap::from(endpoints));
    let mut none = Value::Null;
    Shown::record_endpoint(&mut none, "web".to_owned(), "{}".to_owned());
    assert_eq!(Shown::read(&none).endpoints.len(), 1);
}

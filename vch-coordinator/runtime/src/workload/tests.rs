use super::*;
use serde_json::json;

/// The document of a container that release 0.1.0 made.
const V0_1_0: &str = include_str!("v0_1_0.json");

#[test]
fn a_document_of_release_0_1_0_is_read_and_keeps_what_is_not_the_runtimes() {
    let written: Value = serde_json::from_str(V0_1_0).unwrap();
    let workload: Workload = serde_json::from_str(V0_1_0).unwrap();
    assert_eq!(workload.dir, "/srv");
    assert_eq!(workload.restart.when, RestartWhen::Always);
    assert_eq!(workload.limits, [("nofile".to_owned(), 64, 128)]);
    assert_eq!(workload.awaited[0].network, "later");
    assert_eq!(workload.exposed(), ["443/tcp", "80/tcp"]);
    // Each field of that release is written under the same name again, with its value.
    let again = serde_json::to_value(&workload).unwrap();
    assert_eq!(again["shown"], written["shown"]);
    for (field, value) in written.as_object().unwrap() {
        match field.as_str() {
            "resources" => assert_eq!(again[field]["memory"], value["memory"]),
            "awaited" => assert_eq!(again[field][0]["links"], value[0]["links"]),
            _ => assert_eq!(&again[field], value, "{field}"),
        }
    }
}

#[test]
fn ports_of_which_others_are_told_are_the_workloads_own() {
    let workload = Workload {
        exposed: Some(vec!["53/udp".to_owned()]),
        api_document: json!({ "exposed": ["80/tcp"] }),
        ..Workload::default()
    };
    assert_eq!(workload.exposed(), ["53/udp"]);
    let text = serde_json::to_string(&workload).unwrap();
    assert_eq!(serde_json::from_str::<Workload>(&text).unwrap(), workload);
    assert!(Workload::default().exposed().is_empty());
}

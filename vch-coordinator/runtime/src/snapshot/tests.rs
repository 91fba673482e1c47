use super::*;
use crate::tests::{Testbed, request, workload};
use vch_ledger::{Command, Connect, Environment, Settings, VchId};
use vch_store::sample;

fn decide(ledger: &mut Ledger, seed: &mut u8, command: Command) {
    let mut environment = Environment {
        random: &mut |bytes| {
            *seed += 1;
            bytes.fill(*seed);
        },
        now_ms: 1,
        host_overlap: &|_| None,
        listener: &|_| None,
    };
    ledger.decide(command, &mut environment).unwrap();
}

#[test]
fn a_container_whose_document_cannot_be_read_is_left_out_and_told() {
    let mut ledger = Ledger::new(Settings::of(VchId([7; 16])));
    let mut seed = 0;
    for (name, text) in [
        ("good", r#"{"image": "sha256:1"}"#),
        // A document as a later release might write it.
        (
            "newer",
            r#"{"image": "sha256:2", "command": {"shell": "true"}}"#,
        ),
        ("torn", r#"{"image": "sha"#),
    ] {
        decide(&mut ledger, &mut seed, sample::add(name));
        let command = Command::Document {
            container: name.into(),
            kind: DocumentKind::Workload,
            text: text.to_owned(),
        };
        decide(&mut ledger, &mut seed, command);
    }
    // A container that the native API created has no workload.
    decide(&mut ledger, &mut seed, sample::add("foreign"));
    let documents = Documents::default();
    let decoded = ContainerRows::all(&ledger);
    let decoded = decoded.into_iter().map(|rows| rows.decode(&documents));
    let (all, unreadable): (Vec<_>, Vec<_>) = decoded.partition(Result::is_ok);
    let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
    let mut unreadable: Vec<_> = unreadable.into_iter().map(Result::unwrap_err).collect();
    let names: Vec<_> = all
        .iter()
        .map(|one| one.container.name.to_string())
        .collect();
    assert_eq!(names, ["good"]);
    unreadable.sort_by_key(|one| one.container.name.to_string());
    let [newer, torn] = &unreadable[..] else {
        panic!("{unreadable:?}");
    };
    assert_eq!(
        newer.image.as_deref(),
        Some("sha256:2"),
        "its image stays in use"
    );
    assert_eq!(torn.image, None);
    for (one, name) in [(newer, "newer"), (torn, "torn")] {
        let told = format!("the workload of container {name} is not readable");
        assert!(one.reason.starts_with(&told), "{}", one.reason);
        assert!(one.reason.contains("vchctl container rm"), "{}", one.reason);
    }
}

#[tokio::test]
async fn a_linked_container_is_described_by_variables_and_one_that_cannot_be_read_is_not() {
    let testbed = Testbed::open();
    let exposes = Workload {
        exposed: Some(vec!["80/tcp".to_owned()]),
        ..workload()
    };
    for name in ["db", "torn"] {
        let mut create = request(name, exposes.clone());
        create.connect.push(Connect::tap(name, "bridge"));
        testbed.runtime.create(create).await.unwrap();
    }
    let mut create = request("web", workload());
    create.connect.push(Connect {
        links: ["db", "torn"]
            .map(|name| (name.into(), name.parse().unwrap()))
            .to_vec(),
        ..Connect::tap("web", "bridge")
    });
    let id = testbed.runtime.create(create).await.unwrap();
    let document = Command::Document {
        container: "torn".into(),
        kind: DocumentKind::Workload,
        text: "{".to_owned(),
    };
    testbed.carry_out(document).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    assert_eq!(snapshot.linked.len(), 2);
    let variables = snapshot.link_variables();
    assert!(
        variables.contains(&"DB_NAME=/web/db".to_owned()),
        "{variables:?}"
    );
    let all_of_db = variables.iter().all(|one| one.starts_with("DB_"));
    assert!(all_of_db, "{variables:?}");
    let (_, endpoint) = &snapshot.endpoints[0];
    assert_eq!(snapshot.endpoint_on(endpoint.network), Some(endpoint));
}

#[tokio::test]
async fn a_run_that_cannot_be_read_is_told_as_such() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let document = Command::Document {
        container: id.into(),
        kind: DocumentKind::RunState,
        text: "{\"status\": \"dancing\"}".to_owned(),
    };
    testbed.carry_out(document).await;
    let error = testbed.runtime.require(id).await.unwrap_err();
    let told = "of container web is not readable";
    assert!(error.to_string().contains(told), "{error}");
}

use super::*;
use vch_ledger::{Command, Environment, Settings, VchId};
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

use super::{World, container, network};
use crate::{
    Answer, Command, Connect, ContainerId, DocumentKind, Ledger, MAX_DOCUMENT, MAX_TOGETHER, RowKey,
};

fn document(container: &str, text: &str) -> Command {
    Command::Document {
        container: container.into(),
        kind: DocumentKind::Workload,
        text: text.to_owned(),
    }
}

fn created(name: &str) -> Vec<Command> {
    vec![
        Command::AddContainer(container(name)),
        document(name, "{}"),
        Command::Connect(Connect::tap(name, "web")),
        Command::Connect(Connect::tap(name, "store")),
    ]
}

fn id(world: &World, name: &str) -> ContainerId {
    world.ledger.container(&name.into()).unwrap().id
}

#[test]
fn commands_that_go_together_are_one_transaction() {
    let mut world = World::new();
    world.network("web", &[]);
    world.network("store", &[]);
    let before = world.ledger.revision();
    let done = world.run(Command::Batch(created("app"))).unwrap();
    assert_eq!(done.revision.0, before.0 + 1);
    let app = id(&world, "app");
    let rows = |key: RowKey| {
        done.changes
            .iter()
            .filter(|change| change.key == key)
            .count()
    };
    assert_eq!(rows(RowKey::Container(app)), 1, "no row twice");
    assert_eq!(world.ledger.endpoints_of(app).count(), 2);
    let Answer::Batch(answers) = done.answer else {
        panic!("{:?}", done.answer);
    };
    assert!(matches!(
        answers[..],
        [
            Answer::ContainerAdded { .. },
            Answer::Documented { .. },
            Answer::Connected { .. },
            Answer::Connected { .. },
        ]
    ));
}

#[test]
fn what_comes_to_nothing_changes_no_row() {
    let mut world = World::new();
    world.running("app");
    let start = Command::StartContainer("app".into());
    let stop = Command::StopContainer("app".into());
    let nothing = vec![
        Command::CreateNetwork(network("web", &[])),
        Command::RemoveNetwork("web".into()),
    ];
    let done = world.run(Command::Batch(nothing)).unwrap();
    assert_eq!(done.changes, []);
    let done = world.run(Command::Batch(vec![stop, start])).unwrap();
    assert_eq!(
        done.changes.len(),
        1,
        "the container's row, with another life"
    );
}

#[test]
fn where_one_command_is_refused_none_is_carried_out() {
    let mut world = World::new();
    world.network("web", &[]);
    let refusal = world.refused(Command::Batch(created("app")));
    assert_eq!(refusal.code(), "network-not-found");
    let nested = Command::Batch(vec![Command::Batch(Vec::new())]);
    assert_eq!(world.refused(nested).code(), "nested");
    let many = vec![Command::StopContainer("app".into()); MAX_TOGETHER + 1];
    assert_eq!(world.refused(Command::Batch(many)).code(), "too-many");
}

#[test]
fn a_document_lasts_as_long_as_its_container() {
    let mut world = World::new();
    world.network("web", &[]);
    world.network("store", &[]);
    world.must(Command::Batch(created("app")));
    let app = id(&world, "app");
    world.must(document("app", "other"));
    world.start("app");
    let text = |ledger: &Ledger| ledger.document(app, DocumentKind::Workload);
    assert_eq!(text(&world.ledger).as_deref(), Some("other"));

    let rows = world.store.values().cloned();
    let settings = world.ledger.settings().clone();
    let again = Ledger::load(settings, rows, world.ledger.revision()).unwrap();
    assert_eq!(text(&again).as_deref(), Some("other"));
    assert_eq!(again.rows(), world.ledger.rows());

    let long = "x".repeat(MAX_DOCUMENT + 1);
    assert_eq!(world.refused(document("app", &long)).code(), "too-long");
    assert_eq!(
        world.refused(document("nobody", "")).code(),
        "container-not-found"
    );
    world.must(Command::RemoveContainer {
        container: "app".into(),
        force: true,
    });
    assert_eq!(text(&world.ledger), None);
    let left = RowKey::Document(app, DocumentKind::Workload);
    assert!(!world.store.contains_key(&left));
}

use super::{World, container};
use crate::{Command, Connect, ContainerName, NamespacePath, NetworkName, SocketPath};
use proptest::prelude::*;
use protocol::spec::Hostname;

fn connect_as(container: &str, aliases: &[&str]) -> Command {
    let mut request = Connect::tap(container, "bridge");
    request.aliases = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
    Command::Connect(request)
}

/// Returns the names of a container's endpoint, with its short ID as `ID`, and the name that its
/// addresses resolve to.
fn names(world: &World, name: &str) -> (Vec<String>, String) {
    let container = world.ledger.container(&name.into()).unwrap();
    let endpoint = world.ledger.endpoints_of(container.id).next().unwrap();
    let shown = |name: &Hostname| name.as_str().replace(&container.id.short(), "ID");
    (
        endpoint.names.iter().map(shown).collect(),
        shown(&endpoint.pointer),
    )
}

#[test]
fn an_endpoint_is_found_by_name_short_id_aliases_and_full_name() {
    let mut world = World::new();
    world.running("Web");
    world.must(connect_as("Web", &["www", "WWW", "web", "api.v1"]));
    let (all, pointer) = names(&world, "Web");
    assert_eq!(all, ["web", "ID", "www", "api.v1", "web.bridge"]);
    assert_eq!(pointer, "web.bridge");
}

#[test]
fn an_endpoint_is_found_by_host_name_with_and_without_its_domain() {
    let mut world = World::new();
    for (name, hostname, domain, expected) in [
        ("aa", "Box", None, &["box"][..]),
        ("bb", "box.D.example", None, &["box.d.example"]),
        ("cc", "box", Some("d.example"), &["box", "box.d.example"]),
    ] {
        let mut request = container(name);
        request.hostname = Some(hostname.parse().unwrap());
        request.domain = domain.map(|domain| domain.parse().unwrap());
        world.must(Command::AddContainer(request));
        world.start(name);
        world.connect(name, "bridge");
        let own = [name.to_owned(), "ID".to_owned()].into_iter();
        let full = format!("{name}.bridge");
        let all: Vec<String> = own
            .chain(expected.iter().map(|name| (*name).to_owned()))
            .chain([full])
            .collect();
        assert_eq!(names(&world, name).0, all);
    }
}

#[test]
fn a_host_name_is_as_long_as_the_kernel_holds() {
    let mut world = World::new();
    let long = format!("{}.{}", "a".repeat(40), "b".repeat(24));
    for (hostname, domain, code) in [
        (Some(long.as_str()), None, "too-long"),
        (None, Some(long.as_str()), "too-long"),
        (Some(&long[1..]), Some(&long[1..]), ""),
    ] {
        let mut request = container("web");
        request.hostname = hostname.map(|name| name.parse().unwrap());
        request.domain = domain.map(|name| name.parse().unwrap());
        let add = Command::AddContainer(request);
        if code.is_empty() {
            world.must(add);
        } else {
            let refusal = world.refused(add);
            assert_eq!(refusal.code(), code);
            assert!(refusal.to_string().contains("64"), "{refusal}");
        }
    }
}

#[test]
fn an_alias_may_be_several_containers() {
    let mut world = World::new();
    for name in ["one", "two"] {
        world.running(name);
        world.must(connect_as(name, &["web"]));
        assert!(names(&world, name).0.contains(&"web".to_owned()));
    }
}

#[test]
fn a_name_that_is_no_host_name_is_not_published() {
    let mut world = World::new();
    let long = "a".repeat(64);
    for name in ["web_", "a..b", &long] {
        world.running(name);
        world.must(connect_as(name, &["www"]));
        let (all, pointer) = names(&world, name);
        assert_eq!(
            (all, pointer.as_str()),
            (vec!["ID".to_owned(), "www".to_owned()], "ID"),
            "{name}"
        );
    }
}

#[test]
fn a_rename_takes_the_old_names_away_in_the_same_transaction() {
    let mut world = World::new();
    world.running("web");
    world.must(connect_as("web", &["www"]));
    let rename = Command::RenameContainer {
        container: "web".into(),
        name: "app".parse().unwrap(),
    };
    let done = world.run(rename).unwrap();
    assert_eq!(done.changes.len(), 2, "the endpoint and its container");
    assert_eq!(names(&world, "app").0, ["app", "ID", "www", "app.bridge"]);
    assert_eq!(
        world.ledger.container(&"web".into()).unwrap_err().code(),
        "container-not-found"
    );
    world.must(Command::AddContainer(container("web")));
}

#[test]
fn names_answer_while_the_container_runs_and_its_endpoint_outlives_that() {
    let mut world = World::new();
    world.container("web");
    world.must(connect_as("web", &["www"]));
    let endpoint = |world: &World| world.ledger.endpoints().next().unwrap().clone();
    let stopped = endpoint(&world);
    assert!(stopped.names.is_empty());
    world.start("web");
    assert_eq!(names(&world, "web").0, ["web", "ID", "www", "web.bridge"]);
    let done = world.run(Command::StopContainer("web".into())).unwrap();
    assert_eq!(done.changes.len(), 2, "the endpoint and its container");
    assert_eq!(endpoint(&world), stopped, "with address and MAC address");
    let again = world.run(Command::StopContainer("web".into())).unwrap();
    assert!(again.changes.is_empty(), "stopped twice, nothing happens");
    world.start("web");
    world.stop("web");
    assert_eq!(world.ledger.spec(stopped.container), None);
}

#[test]
fn names_follow_dockers_rule() {
    for good in ["ab", "a1", "Web_1.x-y", "0.0"] {
        assert!(good.parse::<ContainerName>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "a",
        "_a",
        "-ab",
        ".ab",
        "a b",
        "a/b",
        "é1",
        &"a".repeat(129),
    ] {
        let error = bad.parse::<ContainerName>().unwrap_err().to_string();
        assert!(
            error.contains("container name") && error.contains(bad),
            "{error}"
        );
    }
    assert!("a".parse::<NetworkName>().is_ok());
    assert!("".parse::<NetworkName>().is_err());
}

#[test]
fn paths_and_ports_are_checked_where_they_are_parsed() {
    assert!("/run/vm/web.sock".parse::<SocketPath>().is_ok());
    for bad in [
        "",
        "/",
        "web.sock",
        "/run/../web",
        "/run//web",
        "/run/./web",
        "/run/web/",
        "/a\nb",
    ] {
        assert!(bad.parse::<SocketPath>().is_err(), "{bad}");
    }
    let long = format!("/{}", "a".repeat(107));
    assert!(long[..107].parse::<SocketPath>().is_ok());
    assert!(long.parse::<SocketPath>().is_err());
    assert!(long.parse::<NamespacePath>().is_ok());
}

proptest! {
    #[test]
    fn whatever_the_names_are_an_endpoint_is_published(
        name in "[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}",
        network in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}",
        bytes: [u8; 32],
    ) {
        let mut world = World::new();
        world.container("web");
        let mut row = world.ledger.container(&"web".into()).unwrap().clone();
        (row.id, row.name) = (crate::Id::from_bytes(bytes), name.parse().unwrap());
        let network = network.parse().unwrap();
        let names = crate::published_names(&row, &network, &[]);
        prop_assert!(names.iter().any(|name| name.as_str() == row.id.short()));
        prop_assert!(names.contains(&crate::pointer_name(row.id, &row.name, &network)));
    }
}

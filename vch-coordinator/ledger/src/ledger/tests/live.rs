//! Changes of a container while it runs: aliases, health, links, name.

use super::{World, container};
use crate::{Answer, Command, Connect, Endpoint, Refusal};

fn endpoint(world: &World, name: &str) -> Endpoint {
    let id = world.ledger.container(&name.into()).unwrap().id;
    world.ledger.endpoints_of(id).next().unwrap().clone()
}

/// Its names there but for the short id.
fn names(world: &World, name: &str) -> Vec<String> {
    let endpoint = endpoint(world, name);
    let names = endpoint.names.iter().map(ToString::to_string);
    names
        .filter(|name| *name != endpoint.container.short())
        .collect()
}

fn aliases(name: &str, aliases: &[&str]) -> Command {
    Command::SetAliases {
        container: name.into(),
        network: "bridge".into(),
        aliases: aliases.iter().map(|alias| alias.parse().unwrap()).collect(),
    }
}

fn health(name: &str, unhealthy: bool) -> Command {
    Command::SetHealth {
        container: name.into(),
        unhealthy,
    }
}

fn linked(name: &str, links: &[(&str, &str)]) -> Command {
    let links = links
        .iter()
        .map(|(to, alias)| ((*to).into(), alias.parse().unwrap()));
    Command::Connect(Connect {
        links: links.collect(),
        ..Connect::tap(name, "bridge")
    })
}

#[test]
fn aliases_of_a_running_container_change_in_one_transaction() {
    let mut world = World::new();
    world.running("web");
    world.connect("web", "bridge");
    let answer = world.must(aliases("web", &["www", "API"]));
    assert!(matches!(answer, Answer::AliasesSet { .. }), "{answer:?}");
    assert_eq!(names(&world, "web"), ["web", "www", "api", "web.bridge"]);
    let done = world.run(aliases("web", &["api"])).unwrap();
    assert_eq!(done.changes.len(), 1, "the endpoint alone");
    assert_eq!(names(&world, "web"), ["web", "api", "web.bridge"]);
    world.stop("web");
    world.must(aliases("web", &["later"]));
    assert!(names(&world, "web").is_empty());
    world.start("web");
    assert_eq!(names(&world, "web"), ["web", "later", "web.bridge"]);
    assert_eq!(world.refused(aliases("web", &["a"; 65])).code(), "too-many");
    world.disconnect("web", "bridge");
    assert_eq!(
        world.refused(aliases("web", &["www"])).code(),
        "not-connected"
    );
}

#[test]
fn an_unhealthy_container_has_no_names_where_its_endpoint_asks_for_that() {
    let mut world = World::new();
    world.network("app", &["10.9.0.0/24"]);
    world.running("web");
    world.must(Command::Connect(Connect {
        only_healthy: true,
        ..Connect::tap("web", "bridge")
    }));
    world.connect("web", "app");
    let named = |world: &World| {
        let id = world.ledger.container(&"web".into()).unwrap().id;
        let endpoints = world.ledger.endpoints_of(id);
        let named = endpoints.filter(|endpoint| !endpoint.names.is_empty());
        let mut careful: Vec<bool> = named.map(|endpoint| endpoint.only_healthy).collect();
        careful.sort_unstable();
        careful
    };
    assert_eq!(named(&world), [false, true]);
    world.must(health("web", true));
    assert_eq!(named(&world), [false]);
    let again = world.run(health("web", true)).unwrap();
    assert!(again.changes.is_empty());
    world.must(health("web", false));
    assert_eq!(named(&world), [false, true]);
    world.must(health("web", true));
    world.stop("web");
    assert!(named(&world).is_empty());
    world.start("web");
    assert_eq!(
        named(&world),
        [false, true],
        "of a new life nothing bad is known"
    );
}

/// Complaint 7: no live connect or disconnect.
#[test]
fn a_running_container_has_its_names_and_ports_as_soon_as_it_is_connected() {
    let mut world = World::new();
    let mut request = container("web");
    request.ports = vec![super::ports::port("8080:80")];
    world.must(Command::AddContainer(request));
    world.start("web");
    world.connect("web", "bridge");
    assert_eq!(names(&world, "web"), ["web", "web.bridge"]);
    assert_eq!(world.ledger.bindings().count(), 1);
    let done = world.run(super::disconnect("web", "bridge")).unwrap();
    assert_eq!(world.ledger.bindings().count(), 0);
    let gone = done.changes.iter().filter(|change| change.after.is_none());
    assert_eq!(gone.count(), 2, "endpoint and binding in one transaction");
}

#[test]
fn a_rename_takes_the_ports_along() {
    let mut world = World::new();
    let mut request = container("web");
    request.ports = vec![super::ports::port("8080:80")];
    world.must(Command::AddContainer(request));
    world.connect("web", "bridge");
    world.start("web");
    let before = world.ledger.bindings().next().cloned();
    world.must(Command::RenameContainer {
        container: "web".into(),
        name: "app".parse().unwrap(),
    });
    assert_eq!(names(&world, "app"), ["app", "app.bridge"]);
    assert_eq!(world.ledger.bindings().next().cloned(), before);
}

#[test]
fn a_link_is_kept_until_who_is_meant_goes() {
    let mut world = World::new();
    world.container("db");
    world.running("web");
    // Not on the network yet: it is meant all the same.
    world.must(linked(
        "web",
        &[("db", "Store"), ("db", "store"), ("db", "db2")],
    ));
    let kept = endpoint(&world, "web").links;
    let shown: Vec<String> = kept.iter().map(|link| link.alias.to_string()).collect();
    assert_eq!(shown, ["db2", "store"], "in lower case, none twice");
    let (db, bridge) = (kept[0].container, endpoint(&world, "web").network);
    assert_eq!(world.ledger.links_to(db, bridge).count(), 2);
    world.must(Command::RenameContainer {
        container: "db".into(),
        name: "other".parse().unwrap(),
    });
    assert_eq!(
        endpoint(&world, "web").links,
        kept,
        "it is the same container"
    );
    let done = world.run(Command::RemoveContainer {
        container: "other".into(),
        force: false,
    });
    assert_eq!(
        done.unwrap().changes.len(),
        2,
        "the container, and who had links"
    );
    assert!(endpoint(&world, "web").links.is_empty());
    assert_eq!(world.ledger.links_to(db, bridge).count(), 0);
}

#[test]
fn a_link_to_what_is_not_there_is_refused() {
    let mut world = World::new();
    world.container("web");
    assert_eq!(
        world.refused(linked("web", &[("nobody", "store")])),
        Refusal::ContainerNotFound("nobody".to_owned())
    );
    let many = vec![("web", "me"); crate::MAX_LINKS + 1];
    assert_eq!(world.refused(linked("web", &many)).code(), "too-many");
    // A private name for itself is one like any other, and goes with it.
    world.must(linked("web", &[("web", "me")]));
    world.must(Command::RemoveContainer {
        container: "web".into(),
        force: true,
    });
    assert_eq!(world.ledger.endpoints().count(), 0);
}

/// As dockerd has it: a link of a user-defined network is a name that is looked up when it is asked for.
#[test]
fn a_link_on_another_network_awaits_its_container_and_the_next_one_of_its_name() {
    let mut world = World::new();
    world.network("app", &[]);
    world.container("web");
    world.must(Command::Connect(Connect {
        links: vec![("db".into(), "Store".parse().unwrap())],
        ..Connect::tap("web", "app")
    }));
    let links = |world: &World| {
        let web = endpoint(world, "web");
        let awaited = web.awaited_links.iter();
        let awaited: Vec<String> = awaited
            .map(|link| format!("{} as {}", link.container, link.alias))
            .collect();
        (web.links, awaited)
    };
    assert_eq!(links(&world), (Vec::new(), vec!["db as store".to_owned()]));
    world.container("db");
    let (found, awaited) = links(&world);
    let db = world.ledger.container(&"db".into()).unwrap().id;
    assert_eq!((found[0].container, found[0].alias.as_str()), (db, "store"));
    assert!(awaited.is_empty(), "{awaited:?}");
    let remove = || Command::RemoveContainer {
        container: "db".into(),
        force: true,
    };
    world.must(remove());
    assert_eq!(links(&world), (Vec::new(), vec!["db as store".to_owned()]));
    // Another one takes the name.
    world.container("other");
    world.must(Command::RenameContainer {
        container: "other".into(),
        name: "db".parse().unwrap(),
    });
    let other = world.ledger.container(&"db".into()).unwrap().id;
    assert_eq!(links(&world).0[0].container, other);
    world.must(remove());
    // Its own new name may be the one that it awaits.
    world.must(Command::RenameContainer {
        container: "web".into(),
        name: "db".parse().unwrap(),
    });
    let web = endpoint(&world, "db");
    assert_eq!(web.links[0].container, web.container);
    assert!(web.awaited_links.is_empty());
}

#[test]
fn links_go_with_the_endpoint_that_has_them() {
    let mut world = World::new();
    world.container("db");
    world.container("web");
    world.must(linked("web", &[("db", "store")]));
    let (db, bridge) = {
        let web = endpoint(&world, "web");
        (web.links[0].container, web.network)
    };
    world.disconnect("web", "bridge");
    assert_eq!(world.ledger.links_to(db, bridge).count(), 0);
    world.connect("web", "bridge");
    assert!(endpoint(&world, "web").links.is_empty());
}

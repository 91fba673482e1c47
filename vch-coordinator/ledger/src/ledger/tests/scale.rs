//! The cost of a command does not grow with the number of objects.

use super::{World, network, ports::port};
use crate::{Command, Connect};
use std::time::{Duration, Instant};

/// How often to repeat what is timed: the least time is the one that nothing disturbed.
const TRIES: u32 = 200;

/// O(log n) from hundreds to tens of thousands is less than twice; a walk would be a hundred times.
const RATIO: u32 = 6;

fn quickest(mut act: impl FnMut()) -> Duration {
    let times = (0..TRIES).map(|_| {
        let begun = Instant::now();
        act();
        begun.elapsed()
    });
    times.min().unwrap_or_default()
}

fn attach_and_detach(world: &mut World, network: &str) -> Duration {
    quickest(|| {
        world.connect("probe", network);
        world.disconnect("probe", network);
    })
}

fn add_containers(world: &mut World, names: std::ops::Range<u32>) {
    for n in names {
        let name = format!("c{n}");
        world.container(&name);
        world.must(Command::Connect(Connect::tap(name.as_str(), "app")));
    }
}

#[test]
fn an_attach_among_fifty_thousand_costs_what_it_costs_among_few() {
    let mut world = World::new();
    let mut request = network("app", &["10.0.0.0/8"]);
    request.subnets[0].range = Some("10.200.0.0/16".parse().unwrap());
    world.must(Command::CreateNetwork(request));
    world.container("probe");
    add_containers(&mut world, 0..100);
    let few = attach_and_detach(&mut world, "app");
    add_containers(&mut world, 100..50_000);
    let many = attach_and_detach(&mut world, "app");
    // The range has 15,000 left: go round until only what rests is there.
    add_containers(&mut world, 50_000..65_500);
    let full = attach_and_detach(&mut world, "app");
    println!(
        "attach and detach among 100: {few:?}, 50,000: {many:?}, in a range all but full: {full:?}"
    );
    assert!(many < few * RATIO, "{few:?} became {many:?}");
    assert!(full < few * RATIO, "{few:?} became {full:?}");
}

/// Sixteen thousand ephemeral ports of 49,153 to 65,535: all but a few are taken.
#[test]
fn a_port_among_sixteen_thousand_is_published_as_quickly_as_the_first() {
    let mut world = World::new();
    let publish = |world: &mut World, name: &str, request: &str| {
        world.must(Command::PublishPorts {
            container: name.into(),
            ports: vec![port(request)],
        });
    };
    let running = |world: &mut World, name: &str| {
        world.running(name);
        world.connect(name, "bridge");
    };
    running(&mut world, "probe");
    let probe = |world: &mut World| {
        quickest(|| {
            publish(world, "probe", ":80");
            world.must(Command::UnpublishPorts {
                container: "probe".into(),
                ports: vec![port(":80")],
            });
        })
    };
    let few = probe(&mut world);
    for n in 0..16_380 {
        let name = format!("c{n}");
        let mut request = super::container(&name);
        request.ports = vec![port(":80")];
        world.must(Command::AddContainer(request));
        world.must(Command::Connect(Connect::tap(name.as_str(), "bridge")));
        world.start(&name);
    }
    let many = probe(&mut world);
    println!("publish and unpublish: {few:?}, among 16,380: {many:?}");
    assert!(many < few * RATIO, "{few:?} became {many:?}");
}

/// A rename, a stop or another alias costs nothing for the links of others.
#[test]
fn a_change_costs_no_more_for_ten_thousand_who_have_links_elsewhere() {
    let mut world = World::new();
    world.running("probe");
    world.container("db");
    world.connect("probe", "bridge");
    let probe = |world: &mut World| {
        quickest(|| {
            world.stop("probe");
            world.start("probe");
        })
    };
    let few = probe(&mut world);
    for n in 0..10_000 {
        let name = format!("c{n}");
        world.container(&name);
        let mut request = Connect::tap(name.as_str(), "bridge");
        request.links = vec![("db".into(), "store".parse().unwrap())];
        world.must(Command::Connect(request));
    }
    let many = probe(&mut world);
    println!("stop and start: {few:?}, among 10,000 links: {many:?}");
    assert!(many < few * RATIO, "{few:?} became {many:?}");
}

#[test]
fn the_four_thousandth_network_costs_what_the_tenth_cost() {
    let mut world = World::new();
    let make = |world: &mut World| {
        quickest(|| {
            world.must(Command::CreateNetwork(network("probe", &[])));
            world.must(Command::RemoveNetwork("probe".into()));
        })
    };
    (0..10).for_each(|n| world.network(&format!("n{n}"), &[]));
    let tenth = make(&mut world);
    (10..4_096).for_each(|n| world.network(&format!("n{n}"), &[]));
    let last = make(&mut world);
    println!("create and remove the 11th network: {tenth:?}, the 4,097th: {last:?}");
    assert!(last < tenth * RATIO, "{tenth:?} became {last:?}");
}

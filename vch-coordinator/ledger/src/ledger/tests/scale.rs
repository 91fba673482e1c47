//! What a command costs does not grow with what is there.

use super::{World, network};
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

fn crowd(world: &mut World, names: std::ops::Range<u32>) {
    for n in names {
        let name = format!("c{n}");
        world.container(&name);
        world.must(Command::Connect(Connect::tap(name.as_str(), "app")));
    }
}

#[test]
fn an_attach_among_fifty_thousand_costs_what_it_costs_among_few() {
    let mut world = World::new();
    let mut wish = network("app", &["10.0.0.0/8"]);
    wish.subnets[0].range = Some("10.200.0.0/16".parse().unwrap());
    world.must(Command::CreateNetwork(wish));
    world.container("probe");
    crowd(&mut world, 0..100);
    let few = attach_and_detach(&mut world, "app");
    crowd(&mut world, 100..50_000);
    let many = attach_and_detach(&mut world, "app");
    // The range has 15,000 left: go round until only what rests is there.
    crowd(&mut world, 50_000..65_500);
    let full = attach_and_detach(&mut world, "app");
    println!(
        "attach and detach among 100: {few:?}, 50,000: {many:?}, in a range all but full: {full:?}"
    );
    assert!(many < few * RATIO, "{few:?} became {many:?}");
    assert!(full < few * RATIO, "{few:?} became {full:?}");
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

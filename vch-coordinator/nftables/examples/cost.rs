//! What one change costs in sets of several sizes, in a network namespace of its own.
//!
//! `cargo run --release -p vch-nftables --example cost`, as root.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use vch_nftables::*;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let key = [DataType::Ipv4, DataType::Protocol, DataType::Service];
    let published = Set::map(name!("published"), key, [DataType::Ipv4, DataType::Service]);
    let subnets = Set::new(name!("subnets"), [DataType::Ipv4]).with_intervals();
    let bridges = Set::new(name!("bridges"), [DataType::Interface]);

    println!("one transaction, µs: median and 99th percentile of {ROUNDS}");
    println!("{:<28}{:>8}{:>14}{:>14}", "set", "size", "add", "delete");
    for size in [10, 1_000, 10_000, 50_000] {
        measure("map of published ports", &published, size, port)?;
    }
    for size in [10, 1_000, 10_000, 50_000] {
        measure("interval set of subnets", &subnets, size, subnet)?;
    }
    for size in [10, 1_000, 10_000] {
        measure("set of interface names", &bridges, size, bridge)?;
    }
    Ok(())
}

const ROUNDS: u32 = 500;

fn measure(title: &str, set: &Set, size: u32, element: fn(u32) -> Element) -> Result<(), Failure> {
    let table = Table::new(Family::Inet, name!("cost"));
    let mut connection = Connection::open()?;
    let mut batch = Batch::new();
    batch.replace_table(&table);
    batch.add_set(&table, set);
    // Every second number stays free, so that the added ones lie among the others.
    batch.add_elements(&table, set, (0..size).map(|n| element(2 * n)).collect());
    connection.commit(&batch)?;

    let (mut adds, mut deletes) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let one = vec![element(2 * (round * 7919 % size) + 1)];
        let mut add = Batch::new();
        add.add_elements(&table, set, one.clone());
        let mut delete = Batch::new();
        delete.delete_elements(&table, set, one);
        adds.push(timed(|| connection.commit(&add))?);
        deletes.push(timed(|| connection.commit(&delete))?);
    }
    println!(
        "{title:<28}{size:>8}{:>14}{:>14}",
        figures(adds),
        figures(deletes)
    );
    Ok(())
}

fn timed(work: impl FnOnce() -> Result<(), CommitError>) -> Result<Duration, CommitError> {
    let start = Instant::now();
    work().map(|()| start.elapsed())
}

fn figures(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share: usize| times.get(times.len() * share / 100);
    let micros = |time: Option<&Duration>| time.map_or(0, Duration::as_micros);
    format!("{} / {}", micros(at(50)), micros(at(99)))
}

fn port(n: u32) -> Element {
    Element::new([
        Ipv4Addr::from(0x0a00_0000 + n).into(),
        Datum::TCP,
        Datum::Service(8080),
    ])
    .to_values([Ipv4Addr::from(0xac00_0000 + n).into(), Datum::Service(80)])
}

fn subnet(n: u32) -> Element {
    Element::subnet(Ipv4Addr::from(0x0a00_0000 + n * 16).into(), 28)
}

fn bridge(n: u32) -> Element {
    let name = InterfaceName::new(&format!("br-{n:010}"));
    Element::new(name.map(|name| vec![name.into()]).unwrap_or_default())
}

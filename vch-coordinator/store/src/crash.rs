//! Power failures: random commands to writer, ledger and store on a disk that forgets and tears
//! what was not synced. After each failure everything that was acknowledged, or told to a follower,
//! is there, and nothing but what was decided, group by group.
//!
//! 100 rounds; `POWER_ROUNDS=2000` makes it more, `POWER_SEED` another game. With `--nocapture` the
//! last line is `N rounds, M differences`:
//! `cargo test -p vch-store --lib crash::a_power_failure -- --nocapture`.

mod dice;
mod disk;
mod requests;
mod store_run;
mod world;

pub(super) use dice::Dice;
pub(super) use disk::{Disk, Power};
pub(super) use world::open;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};
use world::{Amid, Difference, World};

/// Lives of a world, before there is another one.
const LIVES: u64 = 10;

/// Without these the rounds would prove little.
const ANSWERS: [&str; 15] = [
    "AliasesSet",
    "Configured",
    "Connected",
    "ContainerAdded",
    "ContainerRemoved",
    "Disconnected",
    "DnsTtlSet",
    "HealthSet",
    "NetworkCreated",
    "NetworkRemoved",
    "PortsPublished",
    "PortsUnpublished",
    "Renamed",
    "Started",
    "Stopped",
];

#[derive(Default)]
struct Tally {
    rounds: u64,
    acknowledged: usize,
    answers: BTreeSet<String>,
    bindings: usize,
    amid: BTreeMap<Amid, u32>,
    differences: BTreeMap<Difference, u32>,
}

fn number(name: &str, default: u64) -> u64 {
    match env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => default,
    }
}

fn play(rounds: u64, seed: u64, lies: bool) -> Tally {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let mut tally = Tally::default();
    for game in seed.. {
        let mut world = World::new(game, lies);
        for run in 0..LIVES {
            if tally.rounds == rounds {
                return tally;
            }
            tally.rounds += 1;
            match runtime.block_on(world.round()) {
                Ok(round) => {
                    tally.acknowledged += round.acknowledged;
                    tally.answers.extend(round.answers);
                    tally.bindings += world.state.ledger.bindings().count();
                    *tally.amid.entry(round.amid).or_default() += 1;
                }
                Err(difference) => {
                    *tally.differences.entry(difference).or_default() += 1;
                    if !lies {
                        println!("game {game}, run {run}: {difference}");
                    }
                    // What it is now nobody knows.
                    break;
                }
            }
        }
    }
    tally
}

#[test]
fn a_power_failure_loses_nothing_that_was_acknowledged() {
    let tally = play(number("POWER_ROUNDS", 100), number("POWER_SEED", 1), false);
    println!(
        "{} groups acknowledged; {} published ports; the power failed amid {:?}",
        tally.acknowledged, tally.bindings, tally.amid
    );
    let differences: u32 = tally.differences.values().sum();
    println!("{} rounds, {differences} differences", tally.rounds);
    assert_eq!(differences, 0);
    for answer in ANSWERS {
        let seen = tally.answers.contains(answer);
        assert!(seen, "nothing was answered with {answer}");
    }
    assert!(tally.bindings > 0, "no port was ever published");
    for amid in [
        Amid::Opening,
        Amid::LostCommit,
        Amid::WholeCommit,
        Amid::Rest,
    ] {
        let seen = tally.amid.contains_key(&amid);
        assert!(seen, "the power never failed amid {amid:?}");
    }
}

#[test]
fn a_disk_that_does_not_sync_is_found_out() {
    let tally = play(100, 1, true);
    println!("{:?}", tally.differences);
    let lost = tally.differences.get(&Difference::Lost);
    assert!(lost.is_some_and(|lost| *lost > 10), "{lost:?}");
}

#[test]
fn a_game_is_the_same_each_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let mut one = World::new(7, false);
    let mut other = World::new(7, false);
    for _ in 0..5 {
        let rounds = (
            runtime.block_on(one.round()),
            runtime.block_on(other.round()),
        );
        assert_eq!(rounds.0, rounds.1);
        assert!(one.image == other.image, "the same bytes are on the disk");
    }
}

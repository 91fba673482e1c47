//! What the shim does beside each kind of guest.

mod runs;

use crate::{
    wait::{SOON, run, until, within},
    world::World,
};
use protocol::process::{ProcessId, VERSION};
use std::{
    fs,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};
use vch_shim::{ClientError, Outcome};

/// Most memory that a shim has, whatever its guest says.
const MOST_KIB: u64 = 32 << 10;
/// What a guest has said, in bytes, when its flood has shown what comes of it: more than the shim may keep. Small
/// messages are slowed down long before (`guest/reader.rs`, `PACE`): of these it is twice what passes at once.
const FLOOD: u64 = MOST_KIB << 10;
const SMALL: u64 = 1 << 20;
/// How long that may take, where several guests share a busy machine.
const FLOODS: Duration = Duration::from_secs(120);
/// How long each flood lasts at least with `VCH_LONG=1`.
const LONG: Duration = Duration::from_secs(60);
/// Most bytes of a text that comes of a guest.
const MOST_TEXT: usize = 4 << 10;

type Scenario = fn();

/// All of them, by their names.
pub fn all() -> Vec<(&'static str, Scenario)> {
    vec![
        (
            "a_guest_at_full_speed_leaves_its_shim_small_and_in_our_hands",
            floods,
        ),
        (
            "a_guest_that_sends_beyond_its_window_is_ended_and_the_reason_is_told",
            beyond_the_window,
        ),
        (
            "clients_that_read_nothing_of_full_windows_leave_the_shim_small",
            full_windows,
        ),
        (
            "a_guest_that_is_silent_holds_no_descriptor_of_a_client_that_has_gone",
            unresponsive,
        ),
        (
            "a_guest_that_gives_a_long_reason_is_told_of_in_a_short_one",
            long_reason,
        ),
        (
            "a_flood_before_the_start_does_not_hold_the_deadline_up",
            flood_before_the_start,
        ),
        (
            "what_the_console_and_qemu_say_is_bounded_and_fit_for_a_terminal",
            console,
        ),
        (
            "qemu_has_limits_and_no_descriptor_that_was_inherited",
            inherited,
        ),
        (
            "an_init_of_another_release_starts_nothing_and_becomes_no_template",
            other_release,
        ),
        ("a_shim_joins_its_vm_s_cgroup_or_starts_nothing", cgroup),
        (
            "a_second_shim_of_a_container_fails_and_touches_nothing",
            runs::second,
        ),
        ("the_lock_is_free_when_the_end_is_told", runs::told),
        (
            "a_shim_that_is_killed_takes_its_vm_with_it_and_is_seen_dead",
            runs::killed,
        ),
        (
            "a_shim_without_a_lock_is_known_by_its_number_and_its_files",
            runs::without_a_lock,
        ),
    ]
}

/// Looks at the shim until its guest has said enough.
async fn flooded(world: &World, enough: u64, mut look: impl AsyncFnMut()) {
    let long = std::env::var_os("VCH_LONG").is_some_and(|value| value == "1");
    let least = if long { LONG } else { Duration::ZERO };
    let began = Instant::now();
    let said = within(least + FLOODS, async || {
        look().await;
        began.elapsed() >= least && world.guest_said() >= enough
    });
    assert!(said.await, "the guest said {} bytes", world.guest_said());
}

fn floods() {
    let behaviours = [
        ("phases", SMALL),
        ("unknown", FLOOD),
        ("answers", FLOOD),
        ("reasons", FLOOD),
        ("garbage", FLOOD),
        ("writes", SMALL),
        ("everything", FLOOD),
    ];
    thread::scope(|scope| {
        for (behaviour, enough) in behaviours {
            scope.spawn(move || run(flood(behaviour, enough)));
        }
    });
}

async fn flood(behaviour: &str, enough: u64) {
    let began = Instant::now();
    let world = World::start(behaviour);
    world.started().await;
    let client = world.client();
    flooded(&world, enough, async || {
        // It is in our hands all the while.
        let stage = client.watch().await.unwrap().next().await.unwrap();
        assert!(stage.phases.len() <= 16, "{behaviour}: {stage:?}");
        assert_eq!(stage.ended, None, "{behaviour}");
        // The guest may not read its line.
        let _ = client.signal(ProcessId::MAIN, 0).await;
    })
    .await;
    let peak = world.peak_kib();
    assert!(peak < MOST_KIB, "{behaviour}: {peak} KiB");
    let mut stages = client.watch().await.unwrap();
    client.kill().await.unwrap();
    let ending = async { while stages.next().await.unwrap().ended.is_none() {} };
    tokio::time::timeout(SOON, ending).await.unwrap();
    println!("{behaviour}: {peak} KiB at most, {:.1?}", began.elapsed());
}

fn channel_failed(outcome: &Outcome) {
    let failure = outcome.failure.as_ref().unwrap();
    assert_eq!(failure.code, "channel", "{failure:?}");
    assert!(failure.text.contains("window"), "{failure:?}");
    assert_eq!(outcome.code, 137);
}

fn beyond_the_window() {
    let mut world = World::start("beyond");
    channel_failed(&world.outcome());
    let mut world = World::start("exec-beyond");
    run(async {
        world.started().await;
        let mut running = world.client().exec(Default::default()).await.unwrap();
        // Nothing of it is read until the VM is ended.
        until("the VM is ended", || {
            world.dir.path().join("exit.json").exists()
        })
        .await;
        while running.streams.reader.next().await.is_ok() {}
    });
    channel_failed(&world.outcome());
}

fn full_windows() {
    let world = World::start("windows");
    run(async {
        world.started().await;
        let mut open = Vec::new();
        for _ in 0..64 {
            open.push(world.client().exec(Default::default()).await.unwrap());
        }
        // The last of them has filled its window when the next one is answered.
        open.push(world.client().exec(Default::default()).await.unwrap());
        let peak = world.peak_kib();
        assert!(peak < MOST_KIB, "{peak} KiB");
        println!("65 clients that read nothing: {peak} KiB at most");
    });
}

fn unresponsive() {
    let world = World::start("silent");
    run(async {
        world.started().await;
        let client = world.client();
        let before = world.descriptors();
        for _ in 0..40 {
            let using = tokio::time::timeout(Duration::from_millis(20), client.usage());
            assert!(using.await.is_err(), "nobody answers");
            let watched = client.watch().await.unwrap().next().await;
            assert!(watched.is_ok());
            drop(client.attach(None, true, false).await.unwrap());
        }
        until("clients that have gone are forgotten", || {
            world.descriptors() <= before
        })
        .await;
        let late = client.usage().await.unwrap_err();
        assert!(
            matches!(&late, ClientError::Refused { code, .. } if code == "guest-late"),
            "{late}"
        );
    });
}

fn long_reason() {
    let mut world = World::start("refuses");
    let outcome = world.outcome();
    let failure = outcome.failure.unwrap();
    assert_eq!(failure.code, "process");
    assert!(failure.text.starts_with("[2J[2J"), "{failure:?}");
    assert!(failure.text.len() <= MOST_TEXT);
}

fn other_release() {
    let (ours, its) = (VERSION, VERSION + 1);
    let mut world = World::start("other-release");
    let failure = world.outcome().failure.unwrap();
    assert_eq!(failure.code, "vm-version");
    let words = [format!("version {its}"), format!("version {ours}")];
    for word in &words {
        assert!(failure.text.contains(word), "{failure:?}");
    }
    let mut world = World::save("other-release");
    world.end();
    for word in &words {
        assert!(world.log().contains(word), "{}", world.log());
    }
    assert!(!world.dir.path().join("template").exists());
}

fn flood_before_the_start() {
    let mut world = World::start_with("early", |launch| {
        launch.start.network_deadline_ms = 0;
    });
    let began = Instant::now();
    let outcome = world.outcome();
    assert_eq!(outcome.failure.unwrap().code, "boot-timeout");
    assert!(began.elapsed() < SOON);
    assert!(outcome.phases.len() <= 16, "{:?}", outcome.phases);
}

fn console() {
    let mut world = World::start("console");
    run(async {
        world.started().await;
        flooded(&world, FLOOD, async || {}).await;
        let peak = world.peak_kib();
        assert!(peak < MOST_KIB, "{peak} KiB");
        world.client().kill().await.unwrap();
    });
    world.outcome();
    for (file, most) in [("console.log", 128 << 10), ("qemu.log", 256 << 10)] {
        let text = fs::read(world.dir.path().join(file)).unwrap();
        assert!(
            !text.is_empty() && text.len() <= most,
            "{file}: {}",
            text.len()
        );
        let legible = |byte: &u8| *byte == b'\n' || !byte.is_ascii_control();
        assert!(text.iter().all(legible), "{file}");
    }
}

fn inherited() {
    // As a coordinator would that had a descriptor without FD_CLOEXEC.
    let (leaked, _other) = nix::unistd::pipe().unwrap();
    let link = fs::read_link(format!("/proc/self/fd/{}", leaked.as_raw_fd())).unwrap();
    let link = link.display().to_string();
    let world = World::start("descriptors");
    let read = || {
        let mut text = Vec::new();
        let mut reader = vch_shim::log::Reader::from_start(world.dir.path()).unwrap();
        while let Some(record) = reader.read().unwrap() {
            text.extend(record.bytes);
        }
        String::from_utf8(text).unwrap()
    };
    run(async {
        world.started().await;
        until("it tells what it has open", || read().contains("socket:")).await;
    });
    let said = read();
    assert!(!said.contains(&link), "{link} was passed on:\n{said}");
    let limit = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..]
            .split_whitespace()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max open files"), "1024");
    assert_eq!(limit("Max processes"), "512");
    assert_eq!(limit("oom_score_adj"), "500");
    let shim = world.score();
    assert!(
        shim.trim() == "-500" || world.log().contains("killed for memory"),
        "{shim}"
    );
}

fn cgroup() {
    // What is joined is a file of a directory: the kernel's part is tested where cgroup v2 has controllers.
    let dir = tempfile::tempdir().unwrap();
    let world = World::start_with("idle", |launch| {
        launch.cgroup = Some(dir.path().to_owned());
    });
    run(world.started());
    let joined = fs::read_to_string(dir.path().join("cgroup.procs")).unwrap();
    assert_eq!(joined, "0");
    // One that is not there is not done without.
    let world = World::start_with("idle", |launch| {
        launch.cgroup = Some(dir.path().join("missing"));
    });
    run(until("the shim ends", || world.log().contains("vch-shim:")));
    assert!(!world.dir.path().join("exit.json").exists());
}

//! Two hundred agents attach to one coordinator at once.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use control_api::{client::Client, shape};
use lab::{Coordinator, Lab, Member, Namespace, Need, prerequisites};
use tokio::task::JoinSet;

const AGENTS: usize = 200;
const ALL_READY: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(5);

#[test]
fn two_hundred_agents_attach_at_once_and_each_finds_another_by_name() {
    prerequisites::check(Need::MEMBERS).unwrap();
    prerequisites::check(&[Need::Nft]).unwrap();
    let lab = Lab::of_namespaces("crowd").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    let before = traces(&topology.vch, &vch);

    let first_request = Instant::now();
    vch.vchctl("network create crowd").unwrap();
    let mut connects = Vec::new();
    let mut members: Vec<Member> = (0..AGENTS)
        .map(|number| {
            let name = format!("member-{number}");
            let mut member = Member::add(&lab, &vch, &name).unwrap();
            let asked = Instant::now();
            member.connect(&vch, "crowd").unwrap();
            connects.push(asked.elapsed());
            member.begin(&vch).unwrap();
            member
        })
        .collect();
    let requested = first_request.elapsed();

    let started = Instant::now();
    for member in &mut members {
        member.restart_agent().unwrap();
    }
    let shown = all_ready(&vch, &members);
    let ready = started.elapsed();
    println!(
        "{AGENTS} containers added, connected and started by vchctl in {requested:.1?}; \
         connect, vchctl's own start included: {}",
        spread(&mut connects)
    );
    println!(
        "all ready {ready:.2?} after the first agent started, {:.1?} after the first request",
        first_request.elapsed()
    );
    assert!(ready <= ALL_READY, "{ready:?}");
    print_costs(&vch, &members);

    let addresses = addresses(&shown);
    let unique: BTreeSet<&IpAddr> = addresses.values().collect();
    assert_eq!(unique.len(), AGENTS, "{addresses:?}");
    for (number, member) in members.iter().enumerate() {
        let other = &members[(number + 7) % AGENTS];
        let printed = member.ping_by_name(other.name()).unwrap();
        let wanted = format!("PING {} ({})", other.name(), addresses[other.name()]);
        assert!(printed.starts_with(&wanted), "{wanted}: {printed}");
        assert!(printed.contains(" 1 received"), "{printed}");
    }
    println!("{AGENTS} of {AGENTS} pinged another by its name, and its address was the ledger's");

    leave(&vch, members, &addresses);
    vch.vchctl("network rm crowd").unwrap();
    assert_eq!(traces(&topology.vch, &vch), before);
    let status = vch.ask("status").unwrap();
    assert_eq!(status["unsettled"].as_array().map(Vec::len), Some(0));
}

/// Waits for all at the same time; gives what is known of each.
fn all_ready(vch: &Coordinator<'_>, members: &[Member]) -> Vec<shape::Container> {
    let client = Client::new(vch.socket());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let shown = runtime.block_on(async {
        let mut waits = JoinSet::new();
        for member in members {
            let (client, name) = (client.clone(), member.name().to_owned());
            let seconds = ALL_READY.as_secs();
            waits.spawn(async move {
                let path = format!("/v1/containers/{name}/wait?timeout={seconds}");
                client.get::<shape::Container>(&path).await.unwrap()
            });
        }
        waits.join_all().await
    });
    for container in &shown {
        let (state, failures) = (&container.session.state, &container.session.failures);
        assert_eq!(
            *state,
            shape::Readiness::Ready,
            "{}: {failures:?}",
            container.name
        );
    }
    shown
}

fn addresses(shown: &[shape::Container]) -> BTreeMap<&str, IpAddr> {
    let address = |container: &shape::Container| {
        let net = container.endpoints["crowd"].addresses[0].clone();
        net.split('/').next().unwrap().parse().unwrap()
    };
    let each = shown.iter();
    each.map(|container| (container.name.as_str(), address(container)))
        .collect()
}

/// Removes every container; the last one sees that the names of the others are gone.
fn leave(vch: &Coordinator<'_>, mut members: Vec<Member>, addresses: &BTreeMap<&str, IpAddr>) {
    let last = members.pop().unwrap();
    let mut removals = Vec::new();
    for member in &members {
        let asked = Instant::now();
        vch.vchctl(&format!("container rm --force {}", member.name()))
            .unwrap();
        removals.push(asked.elapsed());
    }
    println!("rm --force by vchctl: {}", spread(&mut removals));
    for member in members.iter().step_by(20) {
        let name = member.name();
        assert_eq!(last.resolve(name).unwrap(), [""; 0], "{name}");
        let reverse = format!("-x {}", addresses[name]);
        assert_eq!(last.resolve(&reverse).unwrap(), [""; 0], "{name}");
    }
    let own = last.resolve(last.name()).unwrap();
    assert_eq!(own, [addresses[last.name()].to_string()]);
    assert!(!last.reaches(addresses[members[0].name()], ANSWER).unwrap());
    vch.vchctl(&format!("container rm --force {}", last.name()))
        .unwrap();
}

/// Returns the traces that containers and networks leave on the VCH: links, rules with their elements, sockets, rows
/// of the ledger.
fn traces(
    namespace: &Namespace,
    vch: &Coordinator<'_>,
) -> BTreeMap<&'static str, BTreeSet<String>> {
    let links = namespace.ip("-o link show").unwrap();
    let link = |line: &str| line.split(": ").nth(1).unwrap().to_owned();
    let mut list = std::process::Command::new("nft");
    list.args(["--stateless", "list", "ruleset"]);
    let rules = String::from_utf8(namespace.output(list).unwrap().stdout).unwrap();
    // An address whose flows are counted leaves its set with the last of them, which the kernel forgets in minutes.
    let rules = rules.lines().filter(|line| !line.contains("ct count over"));
    let sockets = fs::read_dir(vch.dir().join("run/tether")).unwrap();
    let socket = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    let names = |words: &str| {
        let listed = vch.ask(words).unwrap();
        let each = listed.as_array().unwrap().iter();
        each.map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    BTreeMap::from([
        ("links", links.lines().map(link).collect()),
        ("rules", rules.map(str::to_owned).collect()),
        ("sockets", sockets.flatten().map(socket).collect()),
        ("networks", names("network ls")),
        ("containers", names("container ls")),
    ])
}

fn print_costs(vch: &Coordinator<'_>, members: &[Member]) {
    let (kib, busy) = cost(vch.pid().unwrap());
    println!("coordinator: {kib} KiB resident, {busy:.2?} of CPU since its start");
    let each = members
        .iter()
        .map(|member| cost(member.agent_pid().unwrap()));
    let (mut kibs, mut busy): (Vec<_>, Vec<_>) = each.unzip();
    kibs.sort_unstable();
    println!(
        "agent: {} KiB resident (median; most {}), of CPU {}",
        kibs[AGENTS / 2],
        kibs[AGENTS - 1],
        spread(&mut busy)
    );
}

/// Resident KiB (proc(5): VmRSS) and time on a CPU of all threads of a process (schedstat, in nanoseconds).
fn cost(pid: u32) -> (u64, Duration) {
    let dir = Path::new("/proc").join(pid.to_string());
    let status = fs::read_to_string(dir.join("status")).unwrap();
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
    let thread = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    let threads = fs::read_dir(dir.join("task")).unwrap().flatten();
    let busy = threads.filter_map(thread).sum();
    (
        resident.unwrap().parse().unwrap(),
        Duration::from_nanos(busy),
    )
}

fn spread(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("median {:.1?}, p99 {:.1?}", at(50), at(99))
}

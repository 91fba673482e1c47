//! Many at once, and many there: attaching and detaching from fifty threads, and thousands of networks.
//!
//! `VCH_LONG=1` asks for the long forms.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use control_api::{client::Client, shape};
use lab::{Coordinator, Lab, Topology, eventually};

const SOON: Duration = Duration::from_secs(10);
const NETWORKS: usize = 10;
/// How much slower the last network may be made than the tenth.
const BOUND: f64 = 1.5;
/// Networks that are made and removed while it is measured.
const MEASURED: usize = 101;

fn long() -> bool {
    std::env::var_os("VCH_LONG").is_some()
}

/// What must be as it was when all have gone.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    links: usize,
    elements: usize,
    files: usize,
    endpoints: u64,
}

fn traces(topology: &Topology, vch: &Coordinator<'_>) -> Traces {
    let mut command = Command::new("nft");
    command.args(["-j", "list", "ruleset"]);
    let listed = topology.vch.output(command).unwrap().stdout;
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let sets = listed["nftables"].as_array().unwrap().iter();
    let sets = sets.filter_map(|one| one.get("set").or(one.get("map")));
    // Addresses whose flows are counted leave with the last of them, which the kernel forgets in minutes.
    let counts = |set: &&serde_json::Value| {
        set["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("begun"))
    };
    let sets = sets.filter(|set| !counts(set));
    let elements = sets.filter_map(|set| set["elem"].as_array()).map(Vec::len);
    Traces {
        links: topology.vch.ip("-o link").unwrap().lines().count(),
        elements: elements.sum(),
        files: fs::read_dir(format!("/proc/{}/fd", vch.pid().unwrap()))
            .unwrap()
            .count(),
        endpoints: vch.ask("status").unwrap()["endpoints"].as_u64().unwrap(),
    }
}

#[test]
fn many_threads_attach_and_detach_and_nothing_is_double_or_left() {
    let (threads, times) = if long() { (50, 100) } else { (20, 20) };
    let lab = Lab::of_namespaces("load").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    for number in 0..NETWORKS {
        let segment = if number % 2 == 0 {
            "dedicated"
        } else {
            "shared"
        };
        vch.vchctl(&format!(
            "network create net-{number} --ipv6 --segment {segment}"
        ))
        .unwrap();
    }
    for number in 0..threads {
        vch.vchctl(&format!(
            "container add c{number} -p {}:80",
            10_000 + number
        ))
        .unwrap();
        vch.vchctl(&format!("container start c{number}")).unwrap();
    }
    let socket = vch.socket();
    // The first of everything makes tables and threads that stay.
    let held = Mutex::new(BTreeMap::new());
    attach_and_detach(&Client::new(&socket), 0, 1, &held);
    let before = settled(&topology, &vch);
    let resident = resident(&vch);

    let began = Instant::now();
    let mut took: Vec<Duration> = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|number| {
                let (socket, held) = (&socket, &held);
                scope.spawn(move || attach_and_detach(&Client::new(socket), number, times, held))
            })
            .collect();
        running
            .into_iter()
            .flat_map(|one| one.join().unwrap())
            .collect()
    });
    let whole = began.elapsed();
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!(
        "{threads} threads, {times} times: {:.0} attached and detached a second; attaching took {:.1?} at the median, \
         {:.1?} at 99 of 100, {:.1?} at most",
        f64::from(u32::try_from(took.len()).unwrap()) / whole.as_secs_f64(),
        at(50),
        at(99),
        at(100),
    );
    assert!(held.lock().unwrap().is_empty());
    eventually(SOON, "all is as it was", || {
        traces(&topology, &vch) == before
    })
    .unwrap_or_else(|error| panic!("{error}: {before:?} became {:?}", traces(&topology, &vch)));
    let grown = self::resident(&vch) - resident;
    println!("{grown} KiB more resident");
    assert!(grown <= 24_000, "{grown} KiB");
    let status = vch.ask("status").unwrap();
    assert_eq!(
        status["unsettled"].as_array().unwrap().len(),
        0,
        "{status:#}"
    );
}

/// The traces once nothing changes any more: links go a moment after the answer.
fn settled(topology: &Topology, vch: &Coordinator<'_>) -> Traces {
    let mut last = traces(topology, vch);
    eventually(SOON, "nothing changes any more", || {
        let now = traces(topology, vch);
        let same = now == last;
        last = now;
        same
    })
    .unwrap();
    last
}

fn resident(vch: &Coordinator<'_>) -> i64 {
    let status = fs::read_to_string(format!("/proc/{}/status", vch.pid().unwrap())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Attaches and detaches one container; `held` has the addresses that are in use at the moment, by
/// their kind.
fn attach_and_detach(
    client: &Client,
    number: usize,
    times: usize,
    held: &Mutex<BTreeMap<String, usize>>,
) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut took = Vec::new();
    for time in 0..times {
        let network = format!("net-{}", (number + time) % NETWORKS);
        let path = format!("/v1/containers/c{number}/endpoints");
        let request = shape::Connect {
            network: network.clone(),
            ..shape::Connect::default()
        };
        let began = Instant::now();
        let made: shape::Answer<shape::Endpoint> =
            runtime.block_on(client.post(&path, &request)).unwrap();
        took.push(began.elapsed());
        let mut own = made.body.addresses.clone();
        own.extend([made.body.mac.clone(), made.body.link.clone()]);
        assert_eq!(own.len(), 4, "{:?}", made.body);
        for one in &own {
            let other = held.lock().unwrap().insert(one.clone(), number);
            assert_eq!(other, None, "{one} is another's, too");
        }
        for one in &own {
            held.lock().unwrap().remove(one);
        }
        let path = format!("{path}/{network}");
        let _: shape::Answer<shape::Removed> = runtime.block_on(client.delete(&path)).unwrap();
    }
    took
}

#[test]
fn the_last_of_thousands_of_networks_is_made_as_fast_as_the_tenth() {
    let many = if long() { 2_000 } else { 300 };
    let testbeds = [("few", 10), ("many", many)].map(|(label, networks)| {
        let lab = Lab::of_namespaces(label).unwrap();
        let topology = lab.topology().unwrap();
        (lab, topology, networks)
    });
    let [
        (few_lab, few_topology, few),
        (many_lab, many_topology, many),
    ] = &testbeds;
    let few_vch = Coordinator::start(few_lab, &few_topology.vch).unwrap();
    let many_vch = Coordinator::start(many_lab, &many_topology.vch).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let clients = [
        Client::new(few_vch.socket()),
        Client::new(many_vch.socket()),
    ];
    let began = Instant::now();
    for (client, networks) in clients.iter().zip([*few, *many]) {
        // The default bridge is one of them.
        for number in 1..networks - 1 {
            runtime.block_on(create(client, &format!("net-{number}")));
        }
    }
    println!("{many} networks made in {:.1?}", began.elapsed());
    let mut times: [[Vec<Duration>; 2]; 2] = Default::default();
    for _ in 0..MEASURED {
        // In turn, so that whatever else the machine does meets both.
        for (client, [creates, removes]) in clients.iter().zip(&mut times) {
            creates.push(timed(|| runtime.block_on(create(client, "last"))));
            removes.push(timed(|| runtime.block_on(remove(client, "last"))));
        }
    }
    let [few_times, many_times] = times.map(|both| both.map(median));
    for (what, few, many, bound) in [
        ("create", few_times[0], many_times[0], Some(BOUND)),
        ("rm", few_times[1], many_times[1], None),
    ] {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        println!("network {what}: {few:.2?} the tenth, {many:.2?} the last: {ratio:.2}");
        assert!(
            bound.is_none_or(|bound| ratio <= bound),
            "{what}: {few:?} became {many:?}"
        );
    }
    for (vch, networks) in [(few_vch, few), (many_vch, many)] {
        let status = vch.ask("status").unwrap();
        assert_eq!(
            status["unsettled"].as_array().unwrap().len(),
            0,
            "{status:#}"
        );
        let bridges = vch.ask("network ls").unwrap();
        let bridges = bridges
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["driver"] == "bridge");
        assert_eq!(bridges.count(), networks - 1);
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}

async fn create(client: &Client, name: &str) {
    let request = shape::CreateNetwork {
        name: name.to_owned(),
        ..shape::CreateNetwork::default()
    };
    let made: shape::Answer<shape::Network> = client.post("/v1/networks", &request).await.unwrap();
    assert_eq!(made.progress, shape::Progress::Done);
}

async fn remove(client: &Client, name: &str) {
    let path = format!("/v1/networks/{name}");
    let _: shape::Answer<shape::Removed> = client.delete(&path).await.unwrap();
}

//! The cost of a change is the size of the change: it does not grow with what is there already.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use control_api::{client::Client, shape};
use lab::{Coordinator, Lab, Topology};

const NETWORKS: usize = 10;
const FEW: usize = 10;
const MANY: usize = 1000;
/// Taken before any is counted: the first changes fault pages in and make tables grow.
const WARM: usize = 20;
const CHANGES: usize = 150;
/// By how much the median may grow in one run on a busy machine. A walk over all containers grows it by far more.
const BOUND: f64 = 3.0;
const NAMES: [&str; 5] = [
    "connect",
    "disconnect",
    "container add",
    "container start",
    "container rm",
];

#[test]
fn a_change_costs_no_more_at_a_thousand_endpoints_than_at_ten() {
    let (small, large) = (Testbed::create("few"), Testbed::create("many"));
    let (few_vch, many_vch) = (small.coordinator(), large.coordinator());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (few, many) = (
        Client::new(few_vch.socket()),
        Client::new(many_vch.socket()),
    );
    runtime.block_on(async {
        fill(&few, FEW).await;
        let began = Instant::now();
        fill(&many, MANY).await;
        println!("{MANY} endpoints made in {:.1?}", began.elapsed());
        let (few, many) = measure(&few, &many).await;
        println!("median of {CHANGES} changes    at {FEW:>4}    at {MANY:>4}   ratio");
        for (what, (few, many)) in NAMES.iter().zip(few.into_iter().zip(many)) {
            let ratio = many.as_secs_f64() / few.as_secs_f64();
            println!("{what:<24} {few:>8.2?} {many:>8.2?}    {ratio:.2}");
            assert!(ratio <= BOUND, "{what}: {few:?} became {many:?}");
        }
    });
    for (vch, endpoints) in [(few_vch, FEW), (many_vch, MANY)] {
        let status = vch.ask("status").unwrap();
        assert_eq!(status["endpoints"], endpoints);
        assert_eq!(status["unsettled"].as_array().unwrap().len(), 0, "{status}");
    }
}

/// A VCH of its own for each size: both are measured in turn, so that whatever else the machine does meets both.
struct Testbed {
    lab: Lab,
    topology: Topology,
}

impl Testbed {
    fn create(label: &str) -> Self {
        let lab = Lab::of_namespaces(label).unwrap();
        let topology = lab.topology().unwrap();
        Self { lab, topology }
    }

    fn coordinator(&self) -> Coordinator<'_> {
        Coordinator::start(&self.lab, &self.topology.vch).unwrap()
    }
}

/// Networks, and containers that are started and have a tap on one of them.
async fn fill(client: &Client, endpoints: usize) {
    for number in 0..NETWORKS {
        create_network(client, &format!("net-{number}")).await;
    }
    for number in 0..endpoints {
        let name = format!("container-{number}");
        add(client, &name).await;
        connect(client, &name, &format!("net-{}", number % NETWORKS)).await;
        start(client, &name).await;
    }
    add(client, "probe").await;
    start(client, "probe").await;
}

type Times<T> = [T; NAMES.len()];

async fn measure(few: &Client, many: &Client) -> (Times<Duration>, Times<Duration>) {
    let mut times: [Times<Vec<Duration>>; 2] = Default::default();
    for number in 0..WARM + CHANGES {
        for (client, times) in [few, many].into_iter().zip(&mut times) {
            let took = run(client, &format!("net-{}", number % NETWORKS)).await;
            if number >= WARM {
                for (times, took) in times.iter_mut().zip(took) {
                    times.push(took);
                }
            }
        }
    }
    let [few, many] = times.map(|times| times.map(median));
    (few, many)
}

/// The changes that [`NAMES`] names, each taken back by another: the sizes stay.
async fn run(client: &Client, network: &str) -> Times<Duration> {
    [
        timed(connect(client, "probe", network)).await,
        timed(disconnect(client, "probe", network)).await,
        timed(add(client, "passing")).await,
        timed(start(client, "passing")).await,
        timed(remove(client, "passing")).await,
    ]
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

async fn timed(change: impl Future<Output = ()>) -> Duration {
    let began = Instant::now();
    change.await;
    began.elapsed()
}

async fn create_network(client: &Client, name: &str) {
    let request = shape::CreateNetwork {
        name: name.to_owned(),
        ..shape::CreateNetwork::default()
    };
    let made: shape::Answer<shape::Network> = client.post("/v1/networks", &request).await.unwrap();
    assert_eq!(made.progress, shape::Progress::Done);
}

async fn add(client: &Client, name: &str) {
    let request = shape::AddContainer {
        name: name.to_owned(),
        channel: "unix".to_owned(),
        ..shape::AddContainer::default()
    };
    let path = "/v1/containers";
    let made: shape::Answer<shape::Container> = client.post(path, &request).await.unwrap();
    assert_eq!(made.body.name, name);
}

async fn connect(client: &Client, container: &str, network: &str) {
    let request = shape::Connect {
        network: network.to_owned(),
        ..shape::Connect::default()
    };
    let path = format!("/v1/containers/{container}/endpoints");
    let made: shape::Answer<shape::Endpoint> = client.post(&path, &request).await.unwrap();
    assert_eq!(made.body.network, network);
}

async fn disconnect(client: &Client, container: &str, network: &str) {
    let path = format!("/v1/containers/{container}/endpoints/{network}");
    let _: shape::Answer<shape::Removed> = client.delete(&path).await.unwrap();
}

async fn start(client: &Client, container: &str) {
    let path = format!("/v1/containers/{container}/start");
    let nothing = std::collections::BTreeMap::<String, String>::new();
    let _: shape::Answer<shape::Started> = client.post(&path, &nothing).await.unwrap();
}

async fn remove(client: &Client, container: &str) {
    let path = format!("/v1/containers/{container}");
    let _: shape::Answer<shape::Removed> = client.delete(&path).await.unwrap();
}

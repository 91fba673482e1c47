//! A complete coordinator in its own network namespace, of which a part ends.

use super::*;
use crate::parts::faults::Fault;
use std::path::Path;
use tokio::{task::JoinHandle, time::timeout};
use vch_network::testing::namespace::{in_namespace, ip};

/// How soon the end of a part must be noticed.
const SOON: Duration = Duration::from_secs(1);
/// How long the start and the end of a coordinator may take.
const LONG: Duration = Duration::from_secs(20);

struct Running {
    faults: Faults,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), ServeError>>,
}

fn config(dir: &Path) -> Config {
    let text = format!(
        "[vch]\nstate_dir = \"{0}/state\"\nrun_dir = \"{0}/run\"\n\
         [management]\ninterface = \"management\"\naddress = \"192.0.2.2\"\n\
         [docker_endpoint]\ninterface = \"endpoint\"\naddress = \"198.51.100.2\"\nsocket = \"{0}/docker.sock\"\n\
         [[external]]\nname = \"default-external\"\ninterface = \"external\"\n\
         subnets = [{{ subnet = \"10.2.0.0/16\", gateway = \"10.2.0.1\", address = \"10.2.0.2\" }}]\n",
        dir.display()
    );
    let text =
        text + "[bridge]\npools = [{ base = \"172.18.0.0/16\", size = 24 }]\n[dns]\nthreads = 2\n";
    let text = format!(
        "{text}[metrics]\nlisten = \"{}/metrics.sock\"\n",
        dir.display()
    );
    Config::parse(&dir.join("vch.toml"), &text).unwrap()
}

async fn start(dir: &Path) -> Running {
    let config = config(dir);
    let socket = config.api_socket.clone();
    let (faults, stop) = (Faults::default(), CancellationToken::new());
    let parts = Parts::new(stop.clone(), faults.clone());
    let file = dir.join("vch.toml");
    let serving = tokio::spawn(serve_in(parts, file, config, Begin::AsBefore, stop.clone()));
    let answers = async {
        while tokio::net::UnixStream::connect(&socket).await.is_err() {
            assert!(!serving.is_finished(), "it ended at once");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, answers).await.expect("it answers");
    Running {
        faults,
        stop,
        serving,
    }
}

/// Injects faults into parts that are not tasks.
pub(super) fn arm(reconciler: &Reconciler, faults: &Faults, stop: CancellationToken) {
    let (ledger_handle, segments) = (
        reconciler.ledger_handle.clone(),
        reconciler.dataplane.segments.clone(),
    );
    let events = reconciler.dataplane.nat.events_fault.clone();
    let nat = reconciler.dataplane.nat.panic();
    let faults = faults.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            _ = faults.injected("segments") => segments.panic().await,
            _ = faults.injected("nftables") => nat.await,
            _ = faults.injected("nftables events") => events.cancel(),
            fault = faults.injected("store's writer") => match fault {
                Fault::Return => ledger_handle.end().await,
                Fault::Panic => {
                    let _ = ledger_handle.read(|_| panic!("a defect")).await;
                }
            },
        }
    });
}

fn links() {
    for (name, address) in [
        ("management", "192.0.2.2/24"),
        ("endpoint", "198.51.100.2/24"),
        ("external", "10.2.0.2/16"),
    ] {
        ip(&format!("link add {name} type bridge"));
        ip(&format!("address add {address} dev {name}"));
        ip(&format!("link set {name} up"));
    }
}

#[test]
fn any_part_that_ends_or_panics_ends_the_coordinator_with_an_error() {
    in_namespace(async |_room| {
        links();
        let dir = tempfile::tempdir().unwrap();
        for (part, wanted) in [
            ("reconciler", "the reconciler"),
            ("name server", "the name server"),
            ("Docker events", "the Docker events"),
            ("Docker API", "the Docker API"),
            ("metrics", "the metrics"),
            ("reload by SIGHUP", "the reload by SIGHUP"),
            ("segments", "the reconciler failed (segments"),
            (
                "nftables",
                "the reconciler failed (the thread that owns the tables of nftables",
            ),
            (
                "nftables events",
                "the reconciler failed (changes of nftables",
            ),
            ("store's writer", "store"),
        ] {
            for fault in [Fault::Return, Fault::Panic] {
                let running = start(dir.path()).await;
                running.faults.inject(part, fault);
                timeout(SOON, running.stop.cancelled())
                    .await
                    .unwrap_or_else(|_| panic!("the end of {part} is noticed"));
                let ended = timeout(LONG, running.serving).await.unwrap().unwrap();
                let told = error_chain(&ended.expect_err("it is an error")).to_string();
                assert!(told.contains(wanted), "{part}: {told}");
            }
        }
        // The next coordinator finds everything in order, and ends well when it is told to.
        let running = start(dir.path()).await;
        running.stop.cancel();
        timeout(LONG, running.serving)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    });
}

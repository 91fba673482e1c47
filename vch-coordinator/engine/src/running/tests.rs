use super::*;
use futures_util::future::BoxFuture;
use protocol::spec::NicMatch;
use std::time::Duration;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    time::timeout,
};
use vch_ledger::{
    Attachment, EndpointId, Id, NetworkId,
    desired::{EndpointChange, Segment},
};
use vch_network::testing::{
    namespace::{in_namespace, links},
    samples::{self, spawn},
};

const SOON: Duration = Duration::from_secs(5);
/// For what must not come.
const NONE: Duration = Duration::from_millis(100);
const MAC: &str = "02:00:00:00:00:01";

/// The test's answer to a call.
type Reply = Result<(), &'static str>;
const DONE: Reply = Ok(());
const REFUSED: Reply = Err("busy");

/// The implementation of [`Nics`](vch_network::Nics) that [`Running`] calls: hands each call to the
/// test, which answers.
struct Calls(mpsc::Sender<(String, oneshot::Sender<Reply>)>);

impl Calls {
    fn call<'a>(
        &'a self,
        operation: &'static str,
        nic: &'a Nic,
    ) -> BoxFuture<'a, Result<(), NicError>> {
        async move {
            let (answer, answered) = oneshot::channel();
            let call = (format!("{operation} {}", nic.tap), answer);
            self.0.send(call).await.unwrap();
            let reply = answered.await.unwrap();
            reply.map_err(|reason| NicError::Refused {
                operation,
                mac: nic.mac,
                container: nic.container.clone(),
                reason: reason.to_owned(),
            })
        }
        .boxed()
    }
}

impl Nics for Calls {
    fn plug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        self.call("plug", nic)
    }

    fn unplug<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        self.call("unplug", nic)
    }

    fn reattach<'a>(&'a self, nic: &'a Nic) -> BoxFuture<'a, Result<(), NicError>> {
        self.call("reattach", nic)
    }
}

/// The test's end of the calls.
struct Program(AsyncMutex<mpsc::Receiver<(String, oneshot::Sender<Reply>)>>);

impl Program {
    async fn start() -> (Self, Running, Segments) {
        let (calls, called) = mpsc::channel(8);
        let (segments, _thread) = spawn().await;
        let running = Running::new(Arc::new(Calls(calls)), segments.clone());
        (Self(AsyncMutex::new(called)), running, segments)
    }

    /// Waits for the next call; returns it with the sender of its answer.
    async fn asked(&self) -> (String, oneshot::Sender<Reply>) {
        let mut calls = self.0.lock().await;
        timeout(SOON, calls.recv()).await.unwrap().unwrap()
    }

    async fn answer(&self, expected: &str, reply: Reply) {
        let (what, answer) = self.asked().await;
        assert_eq!(what, expected);
        answer.send(reply).unwrap();
    }

    async fn is_asked_nothing(&self) {
        let mut calls = self.0.lock().await;
        assert!(timeout(NONE, calls.recv()).await.is_err());
    }
}

fn endpoint(container: u8, tap: &str) -> DesiredEndpoint {
    let nic = Nic {
        container: format!("c{container}").parse().unwrap(),
        container_id: ContainerId::from_bytes([container; 32]),
        endpoint_id: EndpointId::from_bytes([0; 32]),
        interface: samples::name("eth0"),
        tap: samples::name(tap),
        mac: MAC.parse().unwrap(),
        found_by: NicMatch::Mac(MAC.parse().unwrap()),
    };
    DesiredEndpoint {
        network: NetworkId::from_bytes([1; 32]),
        segment: Segment::Dedicated(samples::name("br-1")),
        port: samples::name(tap),
        attachment: Attachment::Tap,
        interface: samples::name("eth0"),
        mtu: None,
        addresses: Vec::new(),
        mac: MAC.parse().unwrap(),
        names: Vec::new(),
        pointer: "c".parse().unwrap(),
        level: None,
        opened: Vec::new(),
        nic: Some(nic),
    }
}

/// Returns a transaction's delta in which endpoints are added and removed.
fn delta(comes: &[DesiredEndpoint], goes: &[DesiredEndpoint]) -> Delta {
    let mut delta = Delta::default();
    let comes = comes.iter().map(|endpoint| (None, Some(endpoint.clone())));
    let goes = goes.iter().map(|endpoint| (Some(endpoint.clone()), None));
    for (number, (before, after)) in comes.chain(goes).enumerate() {
        let id = EndpointId::from_bytes([u8::try_from(number).unwrap(); 32]);
        delta.endpoints.insert(id, EndpointChange { before, after });
    }
    delta
}

fn port(endpoint: &DesiredEndpoint) -> Port {
    samples::tap(endpoint.port.as_str())
}

#[test]
fn changes_of_one_container_are_asked_for_in_their_order() {
    in_namespace(async |_| {
        let (program, mut running, _segments) = Program::start().await;
        let web = endpoint(1, "vt-1");
        let first = running
            .follow(&delta(std::slice::from_ref(&web), &[]), port)
            .unwrap();
        let second = running.follow(&delta(&[], &[web]), port).unwrap();
        // Whichever is begun first.
        let second = tokio::spawn(second);
        let first = tokio::spawn(first);
        let (what, answer) = program.asked().await;
        assert_eq!(what, "plug vt-1");
        program.is_asked_nothing().await;
        answer.send(DONE).unwrap();
        program.answer("unplug vt-1", DONE).await;
        first.await.unwrap().unwrap();
        second.await.unwrap().unwrap();
    });
}

#[test]
fn containers_do_not_wait_for_one_another() {
    in_namespace(async |_| {
        let (program, mut running, _segments) = Program::start().await;
        let both = [endpoint(1, "vt-1"), endpoint(2, "vt-2")];
        let all = running.follow(&delta(&both, &[]), port).unwrap();
        let all = tokio::spawn(all);
        let (one, other) = (program.asked().await, program.asked().await);
        for (_, answer) in [one, other] {
            answer.send(DONE).unwrap();
        }
        all.await.unwrap().unwrap();
    });
}

#[test]
fn a_tap_stands_until_its_nic_is_unplugged_and_is_asked_for_again() {
    in_namespace(async |_| {
        let (program, mut running, segments) = Program::start().await;
        segments
            .ensure_bridge(&samples::bridge("br-1", &[samples::GATEWAY]))
            .await
            .unwrap();
        segments.ensure_port(&samples::tap("vt-1")).await.unwrap();
        let gone = delta(&[], &[endpoint(1, "vt-1")]);
        let (refused, ()) = tokio::join!(
            running.follow(&gone, port).unwrap(),
            program.answer("unplug vt-1", REFUSED)
        );
        assert!(refused.unwrap_err().to_string().contains("runtime"));
        assert!(links().contains("vt-1"));
        assert_eq!(running.leaving(), [samples::tap("vt-1")]);
        let words = running.failed().join("");
        assert!(
            words.contains("could not unplug") && words.contains("busy"),
            "{words}"
        );

        let (done, ()) = tokio::join!(
            running.again().unwrap(),
            program.answer("unplug vt-1", DONE)
        );
        done.unwrap();
        assert!(!links().contains("vt-1"));
        assert_eq!(
            (running.leaving(), running.failed()),
            (Vec::new(), Vec::new())
        );
        assert!(running.again().is_none());
    });
}

#[test]
fn a_tap_made_anew_is_mended_if_a_running_vm_is_on_it() {
    in_namespace(async |_| {
        let (program, mut running, _segments) = Program::start().await;
        let mut stopped = endpoint(2, "vt-2");
        stopped.nic = None;
        let whole = delta(&[endpoint(1, "vt-1"), stopped], &[]);
        let created = ["vt-1", "vt-2", "br-1"].map(samples::name).into();
        running.note_stale(&whole, &created);
        let (refused, ()) = tokio::join!(
            running.again().unwrap(),
            program.answer("reattach vt-1", REFUSED)
        );
        refused.unwrap_err();
        let (done, ()) = tokio::join!(
            running.again().unwrap(),
            program.answer("reattach vt-1", DONE)
        );
        done.unwrap();
        assert!(running.again().is_none());
        // The endpoint was removed meanwhile: it needs no reattaching.
        running.note_stale(&whole, &created);
        running.note_stale(&Delta::default(), &BTreeSet::new());
        assert!(running.again().is_none());
    });
}

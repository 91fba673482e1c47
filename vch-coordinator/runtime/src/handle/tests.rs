use super::*;
use crate::{
    health::HealthStatus,
    lifecycle::{Answer, Stop},
    tests::within,
    workload::{Status, Workload},
};
use futures_util::FutureExt;

fn new() -> (Handle, mpsc::Receiver<Ask>) {
    Handle::new(RunState::default(), (&Workload::default()).into())
}

fn ended_at(finished_ms: u64) -> RunState {
    RunState {
        status: Status::Exited,
        finished_ms,
        ..RunState::default()
    }
}

#[tokio::test]
async fn a_request_is_answered_by_the_supervisor_and_by_none_once_it_has_ended() {
    let (handle, mut heard) = new();
    let answering = async {
        let Some(Ask::Request(Request::Start, reply)) = heard.recv().await else {
            panic!("it is a start");
        };
        reply.send(Answer::Done).unwrap();
    };
    let (answer, ()) =
        within(async { tokio::join!(handle.request(Request::Start), answering) }).await;
    assert!(matches!(answer, Some(Answer::Done)), "{answer:?}");
    // A supervisor that ends drops the channel of the answer.
    let dropping = async { drop(heard.recv().await) };
    let stop = Request::Stop(Stop::default());
    let (answer, ()) = within(async { tokio::join!(handle.request(stop), dropping) }).await;
    assert!(answer.is_none(), "{answer:?}");
    assert!(handle.tell(Ask::CoordinatorStarted).await);
    drop(heard);
    assert!(handle.request(Request::Start).await.is_none());
    assert!(!handle.tell(Ask::CoordinatorStarted).await);
}

#[test]
fn an_end_is_counted_apart_from_a_start_that_had_no_vm() {
    let (handle, _heard) = new();
    let watch = handle.watch();
    let counts = || {
        let seen = watch.borrow();
        (seen.starts, seen.ends, seen.refusals)
    };
    handle.show_end(RunState {
        error: "no such image".to_owned(),
        ..RunState::default()
    });
    assert_eq!(counts(), (0, 0, 1));
    handle.show_start(RunState::default());
    handle.show_end(ended_at(5));
    assert_eq!(counts(), (1, 1, 1));
    handle.show_end(ended_at(5));
    assert_eq!(counts(), (1, 1, 2));
    assert_eq!(watch.borrow().run_state, ended_at(5));
    handle.show(RunState::default());
    assert_eq!(watch.borrow().run_state, RunState::default());
    assert_eq!(counts(), (1, 1, 2));
    assert!(!watch.borrow().gone);
    handle.show_removal();
    assert!(watch.borrow().gone);
}

#[tokio::test]
async fn a_start_that_is_under_way_is_waited_for() {
    let (handle, _heard) = new();
    within(handle.started()).await;
    handle.show_starting(true);
    let mut started = Box::pin(handle.started());
    assert_eq!(started.as_mut().now_or_never(), None);
    let mut watch = handle.watch();
    handle.show_starting(true);
    assert!(!watch.has_changed().unwrap(), "nothing is new");
    handle.show_starting(false);
    within(started).await;
    assert!(!watch.borrow_and_update().starting);
}

#[tokio::test]
async fn each_reader_is_waited_for_and_one_that_comes_later_is_not_kept_away() {
    let (handle, _heard) = new();
    within(handle.unread()).await;
    let one = handle.read().await;
    let other = handle.read().await;
    let mut unread = Box::pin(handle.unread());
    assert_eq!(unread.as_mut().now_or_never(), None);
    drop(one);
    assert_eq!(unread.as_mut().now_or_never(), None);
    drop(other);
    within(unread).await;
    drop(within(handle.read()).await);
}

#[test]
fn phases_are_those_of_the_last_start() {
    let (handle, _heard) = new();
    let names = || {
        let phases = handle.phases().into_iter();
        let names: Vec<String> = phases.map(|phase| phase.name).collect();
        names
    };
    assert_eq!(names(), [""; 0]);
    handle.begin_phases();
    handle.phase("disks");
    assert_eq!(names(), ["asked", "disks"]);
    let phases = handle.phases();
    assert!(0 < phases[0].at_us && phases[0].at_us <= phases[1].at_us);
    handle.begin_phases();
    assert_eq!(names(), ["asked"]);
}

#[test]
fn policy_and_health_are_those_that_were_set_last() {
    let (handle, _heard) = new();
    let policy = Policy {
        stop_signal: 2,
        ..handle.policy()
    };
    handle.set_policy(policy.clone());
    assert_eq!(handle.policy(), policy);
    assert_eq!(handle.health(), None);
    let health = Health {
        status: HealthStatus::Unhealthy,
        ..Health::default()
    };
    handle.set_health(Some(health.clone()));
    assert_eq!(handle.health(), Some(health));
}

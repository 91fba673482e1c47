use super::*;
use crate::{
    lifecycle::{Answer, Refused, Request},
    tests::{Manner, Testbed, exited, within, workload},
    workload::{RunState, Status, Workload},
};
use futures_util::future::join_all;
use std::fs;
use vch_engine::RequestError;
use vch_shim::testing::Request as ShimRequest;

#[tokio::test]
async fn a_removal_that_cannot_be_marked_is_refused_and_the_container_stays() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.exit(3).await;
    testbed.until(id, |seen| seen.ends == 1).await;
    let mark = testbed.runtime.log_dir(id).join("removing");
    fs::create_dir(&mark).unwrap();
    let error = within(testbed.runtime.remove(id, false)).await.unwrap_err();
    let what = "mark for removal";
    assert!(
        matches!(error.own(), RuntimeError::File { what: found, .. } if *found == what),
        "{error:?}"
    );
    let run = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 3));
    // It can be removed as soon as the reason is gone.
    fs::remove_dir(&mark).unwrap();
    within(testbed.runtime.remove(id, false)).await.unwrap();
    assert!(!testbed.runtime.log_dir(id).exists());
}

#[tokio::test]
async fn a_removal_by_force_ends_the_vm_of_an_earlier_run() {
    let mut testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    within(testbed.runtime.close()).await;
    testbed.carry_out(Command::StopContainer(id.into())).await;
    let ended = RunState {
        status: Status::Exited,
        ..RunState::default()
    };
    testbed.store_run(id, &ended).await;
    testbed.restart().await;
    within(testbed.runtime.adopt()).await;
    let removing = testbed.runtime.remove(id, true);
    let (removed, ()) = within(async { tokio::join!(removing, shim.killed()) }).await;
    removed.unwrap();
    assert!(testbed.runtime.get(id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_container_that_removes_itself_leaves_nothing() {
    let testbed = Testbed::open();
    let removes = Workload {
        remove_at_end: true,
        ..workload()
    };
    let (id, shim) = testbed.running("web", removes).await;
    let removal = testbed.runtime.awaited(id, crate::Until::Removed);
    let removal = removal.await.unwrap();
    shim.exit(3).await;
    assert_eq!(within(removal).await.exit_code, 3);
    assert!(testbed.runtime.get(id).await.unwrap().is_none());
    assert!(!testbed.runtime.log_dir(id).exists());
    assert!(testbed.runtime.known_handle(id).is_none());
}

#[tokio::test]
async fn requests_to_a_container_that_is_being_removed_are_refused() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let handle = testbed.runtime.handle(id).await.unwrap();
    // All of them are sent before the first one is answered.
    let answers = [
        Request::Remove { force: false },
        Request::Remove { force: false },
        Request::Start,
        Request::Remove { force: true },
    ]
    .map(|request| handle.request(request));
    let answers = within(join_all(answers)).await;
    let removing =
        |answer: &Option<Answer<_>>| matches!(answer, Some(Answer::Refused(Refused::Removing)));
    let [first, second, start, forced] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert!(matches!(first, Some(Answer::Done)), "{answers:?}");
    assert!(removing(second) && removing(start), "{answers:?}");
    assert!(matches!(forced, Some(Answer::Done)), "{answers:?}");
}

#[tokio::test]
async fn the_cgroup_of_a_removed_container_is_removed() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    let cgroup = testbed.cgroups().join(id.to_string());
    let limits = fs::read_to_string(cgroup.join("memory.max")).unwrap();
    assert_eq!(limits, (1536_u64 << 20).to_string());
    shim.end(exited(0)).await;
    testbed.until(id, |seen| seen.ends == 1).await;
    // The kernel's files go with their directory; these do not.
    for file in fs::read_dir(&cgroup).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    within(testbed.runtime.remove(id, false)).await.unwrap();
    let gone = || (!cgroup.exists()).then_some(());
    crate::tests::eventually(gone).await;
}

#[tokio::test]
async fn a_removal_that_the_ledger_refuses_leaves_no_mark() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.exit(0).await;
    testbed.until(id, |seen| seen.ends == 1).await;
    testbed
        .carry_out(Command::RemoveContainer {
            container: id.into(),
            force: true,
        })
        .await;
    let error = within(testbed.runtime.remove(id, false)).await.unwrap_err();
    assert!(
        matches!(error, RuntimeError::Request(RequestError::Refused(_))),
        "{error:?}"
    );
    let dir = testbed.runtime.log_dir(id);
    assert!(dir.exists() && !dir.join("removing").exists());
}

#[tokio::test]
async fn a_vm_of_a_failed_start_that_does_not_heed_its_shim_is_ended_with_it() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.behave(Manner::Deaf);
    // The grace period is over at once.
    tokio::time::pause();
    testbed.runtime.end_for_sure(id).await;
    tokio::time::resume();
    let dead = testbed.runtime.liveness(id).await.unwrap();
    assert!(matches!(dead, Liveness::Dead), "{dead:?}");
    assert_eq!(shim.requests()[0], ShimRequest::Kill);
}

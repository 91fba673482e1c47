use crate::{
    tests::{DataPlane, Testbed, workload},
    workload::Status,
};
use vch_ledger::Command;

#[tokio::test]
async fn an_end_that_is_not_stored_is_stored_later_and_shown_then() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    testbed.set_data_plane(DataPlane::Ignores);
    shim.exit(3).await;
    testbed.unanswered(1).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let seen = testbed.runtime.handle_of(&snapshot).watch();
    assert_eq!(seen.borrow().ends, 0);
    testbed.set_data_plane(DataPlane::Follows);
    let run = testbed.until(id, |seen| seen.ends == 1).await;
    assert_eq!((run.status, run.exit_code), (Status::Exited, 3));
    let stored = testbed.runtime.require(id).await.unwrap().run_state;
    assert_eq!(stored, run);
}

#[tokio::test]
async fn the_end_of_a_container_whose_row_is_removed_is_shown_and_not_tried_again() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    let snapshot = testbed.runtime.require(id).await.unwrap();
    let mut seen = testbed.runtime.handle_of(&snapshot).watch();
    testbed
        .carry_out(Command::RemoveContainer {
            container: id.into(),
            force: true,
        })
        .await;
    shim.exit(3).await;
    let shown = crate::tests::within(seen.wait_for(|seen| seen.ends == 1)).await;
    assert_eq!(shown.unwrap().run_state.exit_code, 3);
}

use super::*;
use crate::tests::{FakeShim, Manner, Testbed, exited, log_line, within, workload, write_outcome};
use vch_ledger::Id;
use vch_shim::{ClientError, testing::Request};

const BEGINNING: Position = Position { file: 0, offset: 0 };

/// Reads output up to its end.
async fn all(mut output: Outputs) -> String {
    let mut all = Vec::new();
    while let Some((stream, bytes)) = within(output.next()).await.unwrap() {
        assert_eq!(stream, Output::Stdout);
        all.extend(bytes);
    }
    String::from_utf8(all).unwrap()
}

/// Returns whether a request attaches, and from where.
fn attaches(request: &Request) -> Option<(Option<Position>, bool, bool)> {
    match request {
        Request::Attach {
            from,
            input,
            ends_input,
        } => Some((*from, *input, *ends_input)),
        _ => None,
    }
}

/// Returns how a shim was attached to.
fn attached_as(shim: &FakeShim) -> Vec<(Option<Position>, bool, bool)> {
    shim.requests().iter().filter_map(attaches).collect()
}

#[tokio::test]
async fn a_running_container_is_attached_to_from_now_on_and_up_to_its_end() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.write(b"before ");
    let attach = testbed.runtime.attach(id, None, true).await.unwrap();
    let Attached { output, input } = within(attach).await.unwrap();
    within(input.unwrap().write(b"question")).await.unwrap();
    let question = Request::Input(b"question".to_vec());
    shim.asked(|request| *request == question).await;
    shim.write(b"answer");
    let ending = shim.exit(0);
    let (read, ()) = tokio::join!(all(output), ending);
    assert_eq!(read, "answer");
    assert_eq!(attached_as(&shim), [(None, true, false)]);
}

#[tokio::test]
async fn input_that_was_not_requested_is_not_given() {
    let testbed = Testbed::open();
    let mut once = workload();
    once.input_once = true;
    let (id, shim) = testbed.running("web", once).await;
    let from = Some(BEGINNING);
    let attach = testbed.runtime.attach(id, from, false).await.unwrap();
    assert!(within(attach).await.unwrap().input.is_none());
    assert_eq!(attached_as(&shim), [(from, false, true)]);
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error_and_no_end_of_the_output() {
    let testbed = Testbed::open();
    let (id, mut shim) = testbed.running("web", workload()).await;
    let attach = testbed.runtime.attach(id, None, false).await.unwrap();
    let mut output = within(attach).await.unwrap().output;
    shim.write(b"half");
    let first = within(output.next()).await.unwrap();
    assert_eq!(first, Some((Output::Stdout, b"half".to_vec())));
    shim.vanish().await;
    let broken = within(output.next()).await.unwrap_err();
    assert!(
        matches!(broken, RuntimeError::Shim(ClientError::Gone(_))),
        "{broken:?}"
    );
}

#[tokio::test]
async fn a_shim_that_refuses_to_be_attached_to_is_an_error() {
    let testbed = Testbed::open();
    let (id, shim) = testbed.running("web", workload()).await;
    shim.behave(Manner::Refuses("too many clients"));
    let Err(refused) = testbed.runtime.attach(id, None, false).await else {
        panic!("it was attached to");
    };
    assert_eq!(refused.to_string(), "too many clients");
    let log = testbed.runtime.log_on(id, BEGINNING).await.unwrap();
    assert!(log.is_none(), "its log is at its end then");
}

#[tokio::test]
async fn a_container_that_does_not_run_is_attached_to_from_its_next_start_on() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    let attach = testbed.runtime.attach(id, None, true).await.unwrap();
    shim.write(b"the first words");
    shim.begins();
    within(testbed.runtime.start(id)).await.unwrap();
    let Attached { output, input } = within(attach).await.unwrap();
    assert!(input.is_some());
    let (read, ()) = tokio::join!(all(output), shim.exit(0));
    assert_eq!(read, "the first words");
    assert_eq!(attached_as(&shim), [(Some(BEGINNING), true, false)]);
}

#[tokio::test]
async fn a_start_is_not_missed_by_a_client_that_attaches_at_the_same_moment() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    shim.boots();
    let runtime = &testbed.runtime;
    let attaching = async {
        shim.watched(1).await;
        // The ledger answers no one for a while.
        let (release, released) = std::sync::mpsc::channel::<()>();
        let ledger = &runtime.0.requests.ledger_handle;
        let mut held = Box::pin(ledger.read(move |_| released.recv()));
        assert!(futures_util::poll!(&mut held).is_pending());
        let mut attach = Box::pin(runtime.attach(id, None, false));
        assert!(futures_util::poll!(&mut attach).is_pending());
        release.send(()).unwrap();
        // What the client has asked of it is answered before the start is stored.
        within(ledger.read(|_| ())).await.unwrap();
        shim.process_runs(1);
        testbed.until(id, |seen| seen.starts == 1).await;
        let attached = within(attach).await.unwrap();
        within(attached).await.unwrap()
    };
    let (started, attached) = tokio::join!(within(runtime.start(id)), attaching);
    assert!(started.unwrap());
    let Attached { output, .. } = attached;
    let (_, ()) = tokio::join!(all(output), shim.exit(0));
}

#[tokio::test]
async fn the_output_of_a_run_that_is_over_already_is_read_from_the_log() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let mut shim = testbed.shim(id).await;
    let dir = testbed.runtime.log_dir(id);
    log_line(&dir, b"of an earlier run");
    let log_from = log_line(&dir, b"of this run");
    let attach = testbed.runtime.attach(id, None, true).await.unwrap();
    shim.begins();
    within(testbed.runtime.start(id)).await.unwrap();
    let outcome = Outcome {
        log_from,
        ..exited(0)
    };
    shim.end_untold(outcome).await;
    let Attached { output, input } = within(attach).await.unwrap();
    assert!(input.is_none());
    assert_eq!(all(output).await, "of this run");
}

#[tokio::test]
async fn a_shim_that_refuses_a_client_that_waited_is_an_error_and_no_end_of_the_output() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    let attach = testbed.runtime.attach(id, None, true).await.unwrap();
    shim.behave(Manner::Refuses("too many clients"));
    shim.begins();
    within(testbed.runtime.start(id)).await.unwrap();
    let Err(refused) = within(attach).await else {
        panic!("it was attached to");
    };
    assert_eq!(refused.to_string(), "too many clients");
}

#[tokio::test]
async fn an_outcome_that_cannot_be_read_says_nothing_of_where_the_output_begins() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let dir = testbed.runtime.log_dir(id);
    write_outcome(&dir, &exited(0));
    assert!(testbed.runtime.last_run(id).is_ok());
    std::fs::write(dir.join("exit.json"), "{").unwrap();
    let Err(error) = testbed.runtime.last_run(id) else {
        panic!("it was read");
    };
    assert!(matches!(error, RuntimeError::File { .. }), "{error:?}");
}

#[tokio::test]
async fn a_client_of_a_container_that_does_not_start_reads_nothing() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let shim = testbed.shim(id).await;
    let attach = testbed.runtime.attach(id, None, true).await.unwrap();
    shim.fails("no kernel");
    within(testbed.runtime.start(id)).await.unwrap_err();
    let Attached { output, input } = within(attach).await.unwrap();
    assert!(input.is_none());
    assert_eq!(all(output).await, "");
}

#[tokio::test]
async fn a_client_of_a_container_that_is_removed_before_its_start_is_told_so() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let attach = testbed.runtime.attach(id, None, false).await.unwrap();
    within(testbed.runtime.remove(id, false)).await.unwrap();
    let Err(error) = within(attach).await else {
        panic!("it was attached to");
    };
    assert!(matches!(error, RuntimeError::NotRunning(_)), "{error:?}");
    let unknown = ContainerId::from_bytes([7; 32]);
    let attach = testbed.runtime.attach(unknown, None, false).await;
    assert!(matches!(attach, Err(RuntimeError::NotOurs(_))));
}

#[tokio::test]
async fn a_container_that_is_removed_at_its_end_waits_for_the_readers_of_its_output() {
    let testbed = Testbed::open();
    let mut removed = workload();
    removed.remove_at_end = true;
    let (id, shim) = testbed.running("web", removed).await;
    let log = testbed.runtime.log_on(id, BEGINNING).await.unwrap();
    let log = log.unwrap();
    shim.write(b"last words");
    shim.exit(0).await;
    testbed.until(id, |seen| seen.ends == 1).await;
    assert!(testbed.runtime.get(id).await.unwrap().is_some());
    let removal = testbed.runtime.awaited(id, crate::Until::Removed);
    let removal = removal.await.unwrap();
    assert_eq!(all(log).await, "last words");
    within(removal).await;
    assert!(testbed.runtime.get(id).await.unwrap().is_none());
}

#[tokio::test]
async fn the_log_of_a_container_that_does_not_run_does_not_go_on() {
    let testbed = Testbed::open();
    let id = testbed.create("web", workload()).await;
    let log = testbed.runtime.log_on(id, BEGINNING).await.unwrap();
    assert!(log.is_none());
}

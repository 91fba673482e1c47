use super::PendingRequests;
use crate::guest::queue::{ExecEvent, MOST_HELD};
use protocol::process::{
    Exit, FromInit, MAX_CHUNK, MAX_PROCESSES,
    Output::{self, Stderr, Stdout},
    ProcessId, Usage, WINDOW,
};
use tokio::sync::oneshot;

const EXIT: Exit = Exit {
    code: 0,
    out_of_memory: false,
};

fn window() -> usize {
    usize::try_from(WINDOW).unwrap()
}

/// Sends a whole window; whether all of it was within it.
fn fill(pending: &mut PendingRequests, id: ProcessId, stream: Output) -> bool {
    let pieces = window() / MAX_CHUNK;
    (0..pieces).all(|_| pending.wrote(id, stream, vec![0; MAX_CHUNK]))
}

#[tokio::test]
async fn output_beyond_the_window_is_a_breach_and_what_nobody_awaits_is_nothing() {
    let mut pending = PendingRequests::default();
    let (id, events, credit) = pending.seat().unwrap();
    assert!(fill(&mut pending, id, Stdout));
    assert!(!pending.wrote(id, Stdout, vec![0]));
    credit.give_back(Stdout, 1);
    assert!(pending.wrote(id, Stdout, vec![0]));
    assert!(pending.wrote(ProcessId(id.0 + 1), Stdout, vec![0; MAX_CHUNK]));
    pending.end(id, ExecEvent::Exited(EXIT));
    assert!(
        pending.wrote(id, Stdout, vec![0; MAX_CHUNK]),
        "it has ended"
    );
    drop(events);
    assert_eq!(pending.held.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_process_runs_once_however_often_it_is_said() {
    let mut pending = PendingRequests::default();
    let (id, events, _) = pending.seat().unwrap();
    for pid in 0..100_000 {
        pending.started(id, pid);
    }
    pending.end(id, ExecEvent::Exited(EXIT));
    assert_eq!(events.next().await, Some(ExecEvent::Started(0)));
    assert_eq!(events.next().await, Some(ExecEvent::Exited(EXIT)));
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn the_slowest_of_many_clients_loses_what_is_held_and_the_others_do_not() {
    let mut pending = PendingRequests::default();
    let seats: Vec<_> = (0..MAX_PROCESSES - 1)
        .map(|_| pending.seat().unwrap())
        .collect();
    assert!(pending.seat().is_none(), "as many as there may be");
    let (small, small_news, _) = &seats[0];
    assert!(pending.wrote(*small, Stdout, b"small".to_vec()));
    for (id, _, _) in &seats[1..] {
        assert!(fill(&mut pending, *id, Stdout) && fill(&mut pending, *id, Stderr));
        let held = pending.held.load(std::sync::atomic::Ordering::Relaxed);
        assert!(held <= MOST_HELD, "{held}");
    }
    let small = small_news.next().await;
    assert_eq!(small, Some(ExecEvent::Output(Stdout, b"small".to_vec())));
    let mut lost = 0;
    for (_, events, _) in &seats[1..] {
        if let Some(ExecEvent::Lost([out, err])) = events.next().await {
            assert!(out == WINDOW || err > 0);
            lost += 1;
        }
    }
    assert!(
        lost >= MAX_PROCESSES - 2 - MOST_HELD / (2 * window()),
        "{lost}"
    );
}

#[tokio::test]
async fn a_question_that_nobody_waits_for_is_forgotten_and_an_unasked_answer_is_nothing() {
    let mut pending = PendingRequests::default();
    let (answer, answered) = oneshot::channel();
    let request = pending.asks(answer);
    let used = |request| FromInit::Used {
        request,
        usage: Usage::default(),
    };
    pending.answered(request + 1, used(request + 1));
    pending.answered(request, used(request));
    assert_eq!(answered.await.unwrap(), used(request));
    let (answer, _) = oneshot::channel();
    let request = pending.asks(answer);
    pending.forget(request);
    assert!(pending.asked.is_empty());
}

#[tokio::test]
async fn input_has_a_window_only_while_its_process_runs() {
    let mut pending = PendingRequests::default();
    let (id, _news, _) = pending.seat().unwrap();
    let input = pending.window(id).unwrap();
    input.acquire_many(WINDOW).await.unwrap().forget();
    pending.took(id, 10);
    pending.took(id, u32::MAX);
    assert_eq!(input.available_permits(), window());
    pending.end(id, ExecEvent::Exited(EXIT));
    assert!(pending.window(id).is_none());
    assert!(input.is_closed());
    assert!(pending.window(ProcessId::MAIN).is_some());
    pending.close();
    assert!(pending.window(ProcessId::MAIN).is_none());
}

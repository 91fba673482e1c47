use super::{
    ANSWER, Breach, ExecEvent, GuestEvent, Unanswered,
    fake::{FakeInit, framed},
};
use crate::log::Reader;
use protocol::process::{
    Exit, Fault, FromInit, InterfaceUsage, Listed, MAX_CHUNK,
    Output::{self, Stderr, Stdout},
    Phase, Process, ProcessId, ToInit, Usage, VERSION, WINDOW,
};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, time::timeout};

/// For what comes at once, on a machine that is busy.
const SOON: Duration = Duration::from_secs(20);
const MAIN: ProcessId = ProcessId::MAIN;
const EXIT: Exit = Exit {
    code: 3,
    out_of_memory: false,
};

fn phase(uptime_us: u64) -> FromInit {
    FromInit::Phase {
        phase: Phase::Process,
        uptime_us,
    }
}

fn output(id: ProcessId, stream: Output, bytes: &[u8]) -> FromInit {
    FromInit::Output {
        id,
        stream,
        bytes: bytes.to_vec(),
    }
}

fn started(id: ProcessId) -> FromInit {
    FromInit::Started { id, pid: 1 }
}

fn exited(id: ProcessId) -> FromInit {
    FromInit::Exited { id, exit: EXIT }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(SOON, what).await.expect("it comes within time")
}

#[tokio::test]
async fn each_step_of_a_start_is_news_once_whatever_the_guest_repeats() {
    let (mut init, _guest, mut events, _dir) = FakeInit::new();
    for _ in 0..3 {
        init.floods((0..500).flat_map(|at| [FromInit::Ready { version: VERSION }, phase(at)]))
            .await;
    }
    init.says(&FromInit::Phase {
        phase: Phase::Init,
        uptime_us: 1,
    })
    .await;
    init.floods((0..500).map(|_| started(MAIN))).await;
    init.floods((0..500).map(phase)).await;
    init.says(&FromInit::Phase {
        phase: Phase::Network,
        uptime_us: 1,
    })
    .await;
    init.floods((0..500).map(|_| exited(MAIN))).await;
    init.says(&started(MAIN)).await;
    drop(init);
    let mut all = Vec::new();
    while let Some(one) = soon(events.recv()).await {
        all.push(one);
    }
    let expected = [
        GuestEvent::Ready(VERSION),
        GuestEvent::Phase(Phase::Process, 0),
        GuestEvent::Phase(Phase::Init, 1),
        GuestEvent::Started,
        GuestEvent::Exited(EXIT),
        GuestEvent::Closed,
    ];
    assert_eq!(all, expected);
}

#[tokio::test]
async fn a_guest_that_sends_beyond_its_window_is_not_listened_to_any_more() {
    for id in [MAIN, ProcessId(1)] {
        let (mut init, guest, mut events, _dir) = FakeInit::new();
        let seated = guest.exec(Box::default()).await.unwrap();
        assert_eq!(seated.id, ProcessId(1));
        // The exec's output is not read, and nothing of the main process's is taken: init does not read its line.
        let chunk = output(id, Stdout, &[b'x'; MAX_CHUNK]);
        let flooding = tokio::spawn(async move {
            init.floods((0..100_000).map(|_| chunk.clone())).await;
        });
        let told = async {
            loop {
                match events.recv().await {
                    Some(GuestEvent::Broke(breach)) => return Some(breach),
                    Some(_) => {}
                    None => return None,
                }
            }
        };
        assert_eq!(soon(told).await, Some(Breach::Window), "{id:?}");
        assert_eq!(
            guest.ask(|request| ToInit::List { request }).await,
            Err(Unanswered::Ended)
        );
        flooding.abort();
    }
}

#[tokio::test]
async fn a_process_that_keeps_to_its_window_writes_for_ever() {
    let (mut init, guest, _news, dir) = FakeInit::new();
    let seated = guest.exec(Box::default()).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut count = 0_u32;
        while let Some(one) = seated.events.next().await {
            if let ExecEvent::Output(stream, bytes) = one {
                let bytes = u32::try_from(bytes.len()).unwrap();
                count += bytes;
                guest.taken(&seated, stream, bytes).await;
            }
        }
        count
    });
    let chunk = 8 << 10;
    let mut left = [WINDOW; 2];
    let mut sent = 0;
    while sent < 8 * WINDOW {
        for (at, id) in [MAIN, ProcessId(1)].into_iter().enumerate() {
            while left[at] < chunk {
                match soon(init.hears()).await.unwrap() {
                    ToInit::Taken { id, bytes, .. } => left[usize::from(id != MAIN)] += bytes,
                    other => assert!(matches!(other, ToInit::Exec { .. }), "{other:?}"),
                }
            }
            left[at] -= chunk;
            let bytes = vec![b'y'; usize::try_from(chunk).unwrap()];
            assert!(init.says(&output(id, Stdout, &bytes)).await);
        }
        sent += chunk;
    }
    init.says(&exited(ProcessId(1))).await;
    assert_eq!(soon(reading).await.unwrap(), sent);
    let mut reader = Reader::from_start(dir.path()).unwrap();
    assert!(reader.read().unwrap().is_some());
}

#[tokio::test]
async fn what_a_guest_says_in_words_is_cut_and_cleaned_where_it_enters() {
    let (mut init, guest, mut events, _dir) = FakeInit::new();
    let words = format!("\x1b]0;title\x07{}", "w".repeat(60_000));
    let (listing, using) = tokio::join!(
        async { soon(guest.ask(|request| ToInit::List { request })).await },
        async {
            let Some(ToInit::List { request }) = soon(init.hears()).await else {
                panic!("it is asked");
            };
            let process = Listed {
                pid: 1,
                parent: 0,
                uid: 0,
                cpu_ms: 0,
                started_ms: 0,
                command_line: words.clone(),
                state: "S".repeat(100),
                memory_kib: [0; 2],
            };
            let processes = vec![process];
            init.says(&FromInit::Listed { request, processes }).await;
        }
    );
    let () = using;
    let Ok(FromInit::Listed { processes, .. }) = listing else {
        panic!("{listing:?}");
    };
    assert!(processes[0].command_line.starts_with("]0;titlewww"));
    assert!(processes[0].command_line.len() <= 4096);
    assert!(processes[0].state.len() <= 8);

    let interface = InterfaceUsage {
        name: "eth0\x1b[2J and more".to_owned(),
        received: [0; 4],
        sent: [0; 4],
    };
    let (used, ()) = tokio::join!(guest.ask(|request| ToInit::Usage { request }), async {
        let Some(ToInit::Usage { request }) = soon(init.hears()).await else {
            panic!("it is asked");
        };
        let usage = Usage {
            interfaces: vec![interface; 1000],
            ..Usage::default()
        };
        init.says(&FromInit::Used { request, usage }).await;
    });
    let Ok(FromInit::Used { usage, .. }) = used else {
        panic!("{used:?}");
    };
    assert_eq!(usage.interfaces.len(), 256);
    assert_eq!(usage.interfaces[0].name, "eth0[2J and …");

    for _ in 0..100 {
        init.says(&FromInit::NotStarted {
            id: MAIN,
            fault: Fault::Other,
            reason: words.clone(),
        })
        .await;
    }
    let Some(GuestEvent::NotStarted(Fault::Other, reason)) = soon(events.recv()).await else {
        panic!("it does not start");
    };
    assert!(reason.starts_with("]0;titlewww") && reason.len() <= 4096);
}

#[tokio::test(start_paused = true)]
async fn a_question_to_a_silent_guest_has_a_deadline_and_leaves_nothing() {
    let (_init, guest, _news, _dir) = FakeInit::new();
    for _ in 0..200 {
        let asked = guest.ask(|request| ToInit::Usage { request });
        assert_eq!(asked.await, Err(Unanswered::Timeout));
    }
    assert!(guest.pending().is_quiet());
    let dropped = timeout(ANSWER / 2, guest.ask(|request| ToInit::List { request }));
    assert!(dropped.await.is_err());
    assert!(guest.pending().is_quiet(), "who asked went away");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_does_not_read_its_line_holds_nobody_up_for_ever() {
    let (_init, guest, _news, _dir) = FakeInit::new();
    let signal = ToInit::Signal {
        id: MAIN,
        signal: 15,
    };
    let mut taken = 0;
    while guest.tell_in_time(signal.clone()).await {
        taken += 1;
        assert!(taken < 1_000_000, "the line is bounded");
    }
    assert_eq!(
        guest.ask(|request| ToInit::List { request }).await,
        Err(Unanswered::Timeout)
    );
}

#[tokio::test]
async fn garbage_and_frames_of_other_lives_are_nothing_between_messages() {
    let (mut init, _guest, mut events, _dir) = FakeInit::new();
    let mut line = vec![0xff; 300_000];
    line.push(0);
    line.extend([1, 2, 3, 0, 0, 9, 0]);
    let mut other = Vec::new();
    protocol::frame::encode(protocol::message::SessionNonce(8), b"other", &mut other).unwrap();
    line.extend_from_slice(&other);
    let mut cut = framed(&started(MAIN));
    cut.truncate(cut.len() - 3);
    line.extend_from_slice(&cut);
    line.extend_from_slice(&framed(&FromInit::Ready { version: VERSION }));
    init.stream.write_all(&line).await.unwrap();
    assert_eq!(soon(events.recv()).await, Some(GuestEvent::Ready(VERSION)));
}

#[tokio::test]
async fn a_flood_of_small_messages_waits_in_the_guest() {
    let (mut init, guest, mut events, _dir) = FakeInit::new();
    let seated = guest.exec(Box::new(Process::default())).await.unwrap();
    let line: Vec<u8> = std::iter::repeat_n(framed(&FromInit::Taken { id: MAIN, bytes: 1 }), 1000)
        .flatten()
        .collect();
    let began = std::time::Instant::now();
    // Twice a second's budget, and the burst: three seconds' worth, of which the last may still be in the socket.
    for _ in 0..3 * super::reader::PACE / 1000 {
        init.stream.write_all(&line).await.unwrap();
    }
    init.says(&exited(seated.id)).await;
    assert_eq!(
        soon(seated.events.next()).await,
        Some(ExecEvent::Exited(EXIT))
    );
    assert!(
        began.elapsed() > Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    init.says(&FromInit::Ready { version: VERSION }).await;
    assert_eq!(soon(events.recv()).await, Some(GuestEvent::Ready(VERSION)));
    let empty = output(MAIN, Stderr, b"");
    assert!(init.says(&empty).await);
}

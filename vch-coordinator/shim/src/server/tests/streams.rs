//! Requests that last for as long as their client is connected.

use super::{World, is_refused, soon};
use crate::{
    client::{StreamItem, Streams},
    log::Position,
    outcome::Outcome,
};
use protocol::process::{
    Exit, Fault, FromInit,
    Output::{self, Stderr, Stdout},
    Process, ProcessId, ToInit,
};

const MAIN: ProcessId = ProcessId::MAIN;
const EXIT: Exit = Exit {
    code: 3,
    out_of_memory: false,
};

fn output(id: ProcessId, stream: Output, text: &str) -> FromInit {
    FromInit::Output {
        id,
        stream,
        bytes: text.as_bytes().to_vec(),
    }
}

fn item(stream: Output, text: &str) -> StreamItem {
    StreamItem::Output(stream, text.as_bytes().to_vec())
}

async fn next(streams: &mut Streams) -> StreamItem {
    soon(streams.reader.next()).await.unwrap()
}

/// Tells the shim's clients that all has ended.
fn end(world: &World) {
    let ended = Some(Outcome::default());
    world.shared.stage.send_modify(|stage| stage.ended = ended);
}

/// Returns the next message to init, except acknowledgements of output.
async fn told(world: &mut World) -> ToInit {
    loop {
        match soon(world.init.hears()).await.unwrap() {
            ToInit::Taken { .. } => {}
            other => return other,
        }
    }
}

#[tokio::test]
async fn each_stage_is_told_up_to_the_end() {
    let world = World::new();
    let mut stages = soon(world.client().watch()).await.unwrap();
    assert_eq!(soon(stages.next()).await.unwrap().started_ms, None);
    let stage = &world.shared.stage;
    stage.send_modify(|stage| stage.started_ms = Some(5));
    assert_eq!(soon(stages.next()).await.unwrap().started_ms, Some(5));
    end(&world);
    assert!(soon(stages.next()).await.unwrap().ended.is_some());
    assert!(soon(stages.next()).await.is_err(), "nothing comes after it");
}

#[tokio::test]
async fn what_was_written_is_read_from_a_position_on_and_then_as_it_comes() {
    let mut world = World::new();
    world.init.says(&output(MAIN, Stdout, "before")).await;
    let mut written = world.shared.guest.written();
    soon(written.wait_for(|at| *at > Position::default()))
        .await
        .unwrap();
    let attach = |from| {
        let client = world.client();
        async move { soon(client.attach(from, false, false)).await.unwrap() }
    };
    let mut all = attach(Some(Position::default())).await;
    let mut from_now_on = attach(None).await;
    assert_eq!(next(&mut all).await, item(Stdout, "before"));
    world.init.says(&output(MAIN, Stderr, "after")).await;
    for streams in [&mut all, &mut from_now_on] {
        assert_eq!(next(streams).await, item(Stderr, "after"));
    }
    end(&world);
    for streams in [&mut all, &mut from_now_on] {
        assert_eq!(next(streams).await, StreamItem::Ended(None));
    }
}

#[tokio::test]
async fn input_reaches_the_container_and_ends_with_a_client_only_where_it_is_to() {
    let mut world = World::new();
    for ends_input in [false, true] {
        let client = world.client();
        let mut streams = soon(client.attach(None, true, ends_input)).await.unwrap();
        soon(streams.writer.write(b"to it")).await.unwrap();
        let ToInit::Input { id: MAIN, bytes } = told(&mut world).await else {
            panic!("no input");
        };
        assert_eq!(bytes, b"to it");
        drop(streams);
    }
    // The first client's end was none of the input: what is told next is the second one's.
    assert_eq!(told(&mut world).await, ToInit::InputEnd { id: MAIN });
}

/// Starts a process by a client; returns its streams and its number.
async fn executed(world: &mut World) -> (Streams, ProcessId) {
    let client = world.client();
    let process = Process {
        args: vec!["cat".to_owned()],
        input: true,
        ..Process::default()
    };
    let beginning = async {
        let ToInit::Exec { id, process } = told(world).await else {
            panic!("no process");
        };
        assert_eq!(process.args, ["cat"]);
        world.init.says(&FromInit::Started { id, pid: 40 }).await;
        id
    };
    let (running, id) = soon(async { tokio::join!(client.exec(process), beginning) }).await;
    let running = running.unwrap();
    assert_eq!((running.id, running.pid), (id, 40));
    (running.streams, id)
}

#[tokio::test]
async fn a_process_beside_the_container_s_own_has_streams_and_an_end() {
    let mut world = World::new();
    let (mut streams, id) = executed(&mut world).await;
    soon(streams.writer.write(b"in")).await.unwrap();
    let input = ToInit::Input {
        id,
        bytes: b"in".to_vec(),
    };
    assert_eq!(told(&mut world).await, input);
    soon(streams.writer.write(b"")).await.unwrap();
    assert_eq!(told(&mut world).await, ToInit::InputEnd { id });
    world.init.says(&output(id, Stdout, "out")).await;
    assert_eq!(next(&mut streams).await, item(Stdout, "out"));
    // What a client was given is taken: the process may write on.
    let taken = ToInit::Taken {
        id,
        stream: Stdout,
        bytes: 3,
    };
    assert_eq!(soon(world.init.hears()).await.unwrap(), taken);
    world.init.says(&FromInit::Exited { id, exit: EXIT }).await;
    assert_eq!(next(&mut streams).await, StreamItem::Ended(Some(EXIT)));
}

#[tokio::test]
async fn a_process_whose_client_has_gone_runs_on_without_input_and_its_output_is_taken() {
    let mut world = World::new();
    let (streams, id) = executed(&mut world).await;
    drop(streams);
    assert_eq!(told(&mut world).await, ToInit::InputEnd { id });
    world.init.says(&output(id, Stderr, "to nobody")).await;
    let taken = ToInit::Taken {
        id,
        stream: Stderr,
        bytes: 9,
    };
    assert_eq!(soon(world.init.hears()).await.unwrap(), taken);
}

#[tokio::test]
async fn a_process_that_does_not_start_says_why() {
    let mut world = World::new();
    let client = world.client();
    let refusing = async {
        let ToInit::Exec { id, .. } = told(&mut world).await else {
            panic!("no process");
        };
        let not_started = FromInit::NotStarted {
            id,
            fault: Fault::NotExecutable,
            reason: "no".to_owned(),
        };
        world.init.says(&not_started).await;
    };
    let asking = client.exec(Process::default());
    let (asked, ()) = soon(async { tokio::join!(asking, refusing) }).await;
    assert!(is_refused(asked, "not-executable"));
}

#[tokio::test]
async fn a_vm_that_ends_under_a_process_is_told() {
    let mut world = World::new();
    let (mut streams, _) = executed(&mut world).await;
    let client = world.client();
    let World {
        init,
        serving: _serving,
        line: _line,
        ..
    } = world;
    drop(init);
    let ended = soon(streams.reader.next()).await;
    assert!(is_refused(ended, "vm-ended"));
    let another = soon(client.exec(Process::default())).await;
    assert!(is_refused(another, "vm-ended"));
}

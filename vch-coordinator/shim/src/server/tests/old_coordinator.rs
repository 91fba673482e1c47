//! A coordinator of release 0.1.0, which speaks version 1 only and sends no greeting, with a shim of today.

use super::{World, soon};
use crate::{
    sockets::SHIM,
    wire::{
        receive, send,
        v1::{Listed, Output, Process, ProcessId, Reply, Request},
    },
};
use protocol::process::{self, FromInit, ToInit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

async fn asked(world: &World, request: &Request) -> UnixStream {
    let mut stream = UnixStream::connect(world.sockets.path().join(SHIM))
        .await
        .unwrap();
    send(&mut stream, request).await.unwrap();
    stream
}

async fn reply(stream: &mut UnixStream) -> Reply {
    soon(receive(stream)).await.unwrap().unwrap()
}

#[tokio::test]
async fn it_watches_and_ends_the_vm() {
    let world = World::new();
    let mut watching = asked(&world, &Request::Watch).await;
    let Reply::Stage(stage) = reply(&mut watching).await else {
        panic!("no stage");
    };
    assert_eq!((stage.started_ms, stage.ended), (None, None));
    let stage = &world.shared.stage;
    stage.send_modify(|stage| stage.started_ms = Some(5));
    let Reply::Stage(stage) = reply(&mut watching).await else {
        panic!("no stage");
    };
    assert_eq!(stage.started_ms, Some(5));
    let mut ending = asked(&world, &Request::Kill).await;
    assert_eq!(reply(&mut ending).await, Reply::Done);
    soon(world.shared.kill.notified()).await;
}

#[tokio::test]
async fn it_lists_processes_as_it_knows_them() {
    let mut world = World::new();
    let mut listing = asked(&world, &Request::List).await;
    let ToInit::List { request } = soon(world.init.hears()).await.unwrap() else {
        panic!("no question");
    };
    let listed = process::Listed {
        pid: 1,
        parent: 0,
        uid: 5,
        cpu_ms: 6,
        started_ms: 7,
        command_line: "sleep 1".to_owned(),
        state: "S".to_owned(),
        memory_kib: [8, 9],
    };
    let processes = vec![listed];
    world
        .init
        .says(&FromInit::Listed { request, processes })
        .await;
    let expected = Listed {
        pid: 1,
        parent: 0,
        uid: 5,
        cpu_ms: 6,
        started_ms: 7,
        command_line: "sleep 1".to_owned(),
    };
    assert_eq!(reply(&mut listing).await, Reply::Listed(vec![expected]));
}

#[tokio::test]
async fn it_runs_processes_with_input() {
    let mut world = World::new();
    let process = Process {
        args: vec!["cat".to_owned()],
        environment: Vec::new(),
        dir: "/srv".to_owned(),
        user: String::new(),
        groups: Vec::new(),
        terminal: None,
        input: true,
        capabilities: vec![1],
        no_new_privileges: true,
        limits: Vec::new(),
        oom_score: 0,
    };
    let mut running = asked(&world, &Request::Exec(Box::new(process))).await;
    let ToInit::Exec { id, process } = soon(world.init.hears()).await.unwrap() else {
        panic!("no process");
    };
    assert_eq!(
        (&*process.dir, process.privileged, process.unfiltered),
        ("/srv", false, false)
    );
    world.init.says(&FromInit::Started { id, pid: 40 }).await;
    assert_eq!(
        reply(&mut running).await,
        Reply::Started(ProcessId(id.0), 40)
    );
    send(&mut running, &Request::Input(vec![7])).await.unwrap();
    let input = ToInit::Input { id, bytes: vec![7] };
    assert_eq!(soon(world.init.hears()).await.unwrap(), input);
    let stream = process::Output::Stderr;
    world
        .init
        .says(&FromInit::Output {
            id,
            stream,
            bytes: vec![8],
        })
        .await;
    assert_eq!(
        reply(&mut running).await,
        Reply::Output(Output::Stderr, vec![8])
    );
}

#[tokio::test]
async fn a_coordinator_of_a_later_release_is_told_the_version_that_is_spoken() {
    let world = World::new();
    let mut stream = UnixStream::connect(world.sockets.path().join(SHIM))
        .await
        .unwrap();
    stream.write_all(b"\x09VCH").await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(answer, b"\x02VCH");
}

//! The number of clients at once, and how long they stay.

use super::{Room, World, is_refused, soon};
use crate::client::Client;
use protocol::process::Process;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Instant, timeout},
};

#[tokio::test]
async fn however_many_are_attached_a_vm_can_be_ended() {
    let world = World::with_room(Room {
        clients: 5,
        streams: 1,
    });
    let client = world.client();
    let attached = soon(client.attach(None, false, false)).await.unwrap();
    assert!(is_refused(
        soon(client.attach(None, false, false)).await,
        "too-many"
    ));
    assert!(is_refused(
        soon(client.exec(Process::default())).await,
        "too-many"
    ));
    soon(client.kill()).await.unwrap();
    // One that goes makes room, once it is seen to have gone.
    drop(attached);
    let again = async {
        while is_refused(client.attach(None, false, false).await, "too-many") {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn one_client_too_many_waits_until_another_has_gone() {
    let world = World::with_room(Room {
        clients: 1,
        streams: 1,
    });
    let stages = soon(world.client().watch()).await.unwrap();
    let client = world.client();
    let mut killing = std::pin::pin!(client.kill());
    let early = timeout(Duration::from_millis(200), &mut killing).await;
    assert!(early.is_err(), "{early:?}");
    drop(stages);
    soon(killing).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_nothing_is_let_go() {
    let world = World::new();
    let path = world.sockets.path().join(crate::sockets::SHIM);
    let began = Instant::now();
    let mut silent = UnixStream::connect(path).await.unwrap();
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(began.elapsed(), super::super::REQUEST);
}

#[tokio::test]
async fn what_is_no_request_closes_its_connection_and_no_other() {
    let world = World::new();
    let path = world.sockets.path().join(crate::sockets::SHIM);
    for nonsense in [&[2, b'V', b'C', b'H', 1, 0, 0, 0, 99][..], &[255; 9], &[1]] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        // Closed with what was not read of it: the kernel says so by a reset.
        let _ended = soon(stream.read_to_end(&mut Vec::new())).await;
    }
    soon(Client::at(world.sockets.path()).kill()).await.unwrap();
}

#[tokio::test]
async fn clients_that_do_not_go_by_themselves_are_ended() {
    let mut world = World::new();
    let mut stages = soon(world.client().watch()).await.unwrap();
    soon(stages.next()).await.unwrap();
    soon(world.serving.shutdown()).await;
    assert!(soon(stages.next()).await.is_err());
}

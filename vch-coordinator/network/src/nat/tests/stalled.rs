//! A kernel that does not answer blocks the tables' thread, and no other thread.

use super::super::{Nat, NatError, actor::NftActor};
use super::world::environment;
use crate::testing::namespace::in_namespace;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::os::fd::OwnedFd;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};
use vch_ledger::desired::Delta;
use vch_nftables::{Connection, Subscription};

/// Questions and answers of a session, each of which needs the runtime's one thread several times.
const HEARTBEATS: usize = 100;

/// Answers each byte, as an agent does.
async fn answer(mut agent: UnixStream) {
    let mut ping = [0];
    while agent.read_exact(&mut ping).await.is_ok() {
        agent.write_all(&ping).await.unwrap();
    }
}

fn stalled() -> (Nat, crate::ActorThread, OwnedFd) {
    let (ours, kernel) = socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let actor = NftActor::over(Connection::over(ours).unwrap(), environment()).unwrap();
    let (nat, thread) = Nat::spawn_actor(actor, Subscription::open().unwrap()).unwrap();
    (nat, thread, kernel)
}

#[test]
fn heartbeats_go_on_while_nftables_does_not_answer() {
    in_namespace(async |_room| {
        let (nat, thread, kernel) = stalled();
        let (mut coordinator, agent) = UnixStream::pair().unwrap();
        let agent = tokio::spawn(answer(agent));
        let whole = Delta::default();
        let mut reconciled = Box::pin(nat.reconcile(&whole));
        let heartbeats = async {
            let mut pong = [0];
            for _ in 0..HEARTBEATS {
                coordinator.write_all(&[1]).await.unwrap();
                coordinator.read_exact(&mut pong).await.unwrap();
            }
        };
        tokio::select! {
            biased;
            done = &mut reconciled => panic!("the kernel did not answer, but {done:?}"),
            () = heartbeats => {}
        }
        // It was asked, and is given up in the end.
        let mut asked = [0; 64];
        assert!(nix::unistd::read(&kernel, &mut asked).unwrap() > 0);
        let given_up = reconciled.as_mut().await;
        drop(reconciled);
        assert!(matches!(given_up, Err(NatError::Read(_))), "{given_up:?}");
        drop((nat, coordinator));
        thread.ended().await;
        agent.await.unwrap();
    });
}

#[test]
fn an_owner_that_ends_is_told_to_who_watches_and_asks() {
    in_namespace(async |_room| {
        let (mut nat, thread) = Nat::spawn(environment()).unwrap();
        let mut watch = nat.watch().unwrap();
        nat.panic().await;
        assert!(matches!(watch.changed().await, Err(NatError::Stopped)));
        let refused = nat.follow(&Delta::default()).await;
        assert!(matches!(refused, Err(NatError::Stopped)), "{refused:?}");
        thread.ended().await;
    });
}

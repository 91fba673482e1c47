use super::*;
use crate::message::{LogLevel, LogLine, Ping, SessionNonce};
use crate::sample::spec;
use std::task::Waker;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const NONCE: SessionNonce = SessionNonce(7);

fn ends(capacity: usize) -> (AgentEnd, CoordinatorEnd) {
    let (one, other) = duplex(capacity);
    (
        AgentEnd::new(Box::new(one)),
        CoordinatorEnd::new(Box::new(other)),
    )
}

fn raw_end() -> (AgentEnd, DuplexStream) {
    let (one, other) = duplex(1024 * 1024);
    (AgentEnd::new(Box::new(one)), other)
}

fn envelope<M>(message: M) -> Envelope<M> {
    Envelope {
        nonce: NONCE,
        message,
    }
}

fn ping(sequence: u64) -> Envelope<ToAgent> {
    envelope(ToAgent::Ping(Ping {
        sequence,
        desired: None,
        report_seen: 0,
    }))
}

fn line(length: usize) -> Envelope<ToCoordinator> {
    envelope(ToCoordinator::Log(LogLine {
        level: LogLevel::Info,
        text: "x".repeat(length),
    }))
}

fn framed(envelope: &Envelope<ToAgent>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = envelope.message.encode().unwrap();
    frame::encode(envelope.nonce, &payload, &mut bytes).unwrap();
    bytes
}

#[track_caller]
fn message<M: std::fmt::Debug>(received: Result<Received<M>, ChannelError>) -> Envelope<M> {
    match received {
        Ok(Received::Message(envelope)) => envelope,
        other => panic!("expected a message, got {other:?}"),
    }
}

#[tokio::test]
async fn messages_go_both_ways_in_order() {
    let (mut agent, mut coordinator) = ends(64 * 1024);
    coordinator
        .send(&envelope(ToAgent::Spec(spec(1, 1))))
        .await
        .unwrap();
    coordinator.send(&ping(1)).await.unwrap();
    agent.send(&line(9)).await.unwrap();
    let first = message(agent.recv().await);
    assert_eq!(first, envelope(ToAgent::Spec(spec(1, 1))));
    assert_eq!(message(agent.recv().await), ping(1));
    assert_eq!(message(coordinator.recv().await), line(9));
}

#[tokio::test]
async fn garbage_and_unknown_messages_are_skipped_and_named() {
    let (mut agent, mut raw) = raw_end();
    raw.write_all(&[9, 9, 9, 0]).await.unwrap();
    let mut unknown = Vec::new();
    frame::encode(NONCE, &[200], &mut unknown).unwrap();
    raw.write_all(&unknown).await.unwrap();
    raw.write_all(&framed(&ping(1))).await.unwrap();
    assert!(matches!(
        agent.recv().await,
        Ok(Received::Skipped(Skipped::Frame(FrameError::Malformed)))
    ));
    assert!(matches!(
        agent.recv().await,
        Ok(Received::Skipped(Skipped::Message(DecodeError::Malformed(
            _
        ))))
    ));
    assert_eq!(message(agent.recv().await), ping(1));
}

#[tokio::test]
async fn what_came_before_the_end_is_handed_out_and_then_the_end_each_time() {
    let (mut agent, mut raw) = raw_end();
    raw.write_all(&framed(&ping(1))).await.unwrap();
    raw.write_all(&framed(&ping(2))[..9]).await.unwrap();
    drop(raw);
    assert_eq!(message(agent.recv().await), ping(1));
    assert!(matches!(agent.recv().await, Err(ChannelError::Closed)));
    assert!(matches!(agent.recv().await, Err(ChannelError::Closed)));
}

#[tokio::test]
async fn a_receive_that_is_dropped_at_any_point_loses_nothing() {
    let (mut agent, mut raw) = raw_end();
    let bytes = framed(&ping(1));
    for byte in bytes.split_last().unwrap().1 {
        raw.write_all(&[*byte]).await.unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let receive = std::pin::pin!(agent.recv());
        assert!(receive.poll(&mut context).is_pending());
    }
    raw.write_all(&bytes[bytes.len() - 1..]).await.unwrap();
    assert_eq!(message(agent.recv().await), ping(1));
}

#[tokio::test]
async fn two_sides_that_write_more_than_the_line_holds_do_not_wait_for_one_another() {
    let (mut agent, mut coordinator) = ends(16);
    let agents = async {
        for _ in 0..20 {
            agent.send(&line(500)).await.unwrap();
        }
        for sequence in 0..200 {
            assert_eq!(message(agent.recv().await), ping(sequence));
        }
    };
    let coordinators = async {
        for sequence in 0..200 {
            coordinator.send(&ping(sequence)).await.unwrap();
        }
        for _ in 0..20 {
            assert_eq!(message(coordinator.recv().await), line(500));
        }
    };
    tokio::join!(agents, coordinators);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_after_ten_seconds() {
    let (one, _held) = duplex(16);
    let mut agent = AgentEnd::new(Box::new(one));
    let begun = tokio::time::Instant::now();
    assert!(matches!(
        agent.send(&line(500)).await,
        Err(ChannelError::Stalled)
    ));
    assert_eq!(begun.elapsed(), WRITE_DEADLINE);
}

#[tokio::test]
async fn a_peer_that_sends_without_end_while_it_takes_nothing_fills_a_bounded_buffer() {
    let (one, mut other) = duplex(1024);
    let mut agent = AgentEnd::new(Box::new(one));
    let flood = async {
        let mut written = 0;
        loop {
            let write = other.write(&[1; 1000]);
            match tokio::time::timeout(Duration::from_millis(200), write).await {
                Ok(result) => written += result.unwrap(),
                Err(_) => return written,
            }
        }
    };
    let message = line(500);
    let send = async {
        for _ in 0..10 {
            if agent.send(&message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = send => panic!("nobody took the message"),
        written = flood => assert!(written < 2 * READ_AHEAD, "{written}"),
    }
}

#[tokio::test]
async fn a_message_that_no_frame_carries_leaves_the_channel_as_it_was() {
    let (mut agent, mut coordinator) = ends(64 * 1024);
    let error = agent.send(&line(frame::MAX_PAYLOAD)).await;
    assert!(matches!(error, Err(ChannelError::Unsendable(_))));
    agent.send(&line(3)).await.unwrap();
    assert_eq!(message(coordinator.recv().await), line(3));
}

#[tokio::test]
async fn a_send_to_a_peer_that_is_gone_is_an_error() {
    let (mut agent, raw) = raw_end();
    drop(raw);
    assert!(matches!(
        agent.send(&line(3)).await,
        Err(ChannelError::Write(_))
    ));
}

#[tokio::test]
async fn a_frame_cut_short_by_a_dropped_send_does_not_swallow_the_next() {
    let (one, mut raw) = duplex(16);
    let mut agent = AgentEnd::new(Box::new(one));
    {
        let mut context = Context::from_waker(Waker::noop());
        let message = line(100);
        let send = std::pin::pin!(agent.send(&message));
        assert!(send.poll(&mut context).is_pending());
    }
    let sent = line(5);
    let (result, found) = tokio::join!(agent.send(&sent), async {
        let mut decoder = Decoder::new();
        let mut bytes = [0; 64];
        loop {
            let read = raw.read(&mut bytes).await.unwrap();
            let mut input = &bytes[..read];
            while let Some(found) = decoder.next(&mut input) {
                if let Ok(frame) = found {
                    return ToCoordinator::decode(&frame.payload).unwrap();
                }
            }
        }
    });
    result.unwrap();
    assert_eq!(found, line(5).message);
}

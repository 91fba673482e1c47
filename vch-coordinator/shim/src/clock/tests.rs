use super::send;
use crate::{guest::Guest, log::Writer};
use protocol::{
    frame::Decoder,
    message::{Message, SessionNonce},
    process::ToInit,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::UnixStream, time::timeout};

#[tokio::test]
async fn a_guest_hears_the_host_s_clock_as_it_is_when_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let log = Writer::open(dir.path(), 1 << 20, 1).unwrap();
    let (line, mut init) = UnixStream::pair().unwrap();
    let (guest, _events, driving) = Guest::new(line, SessionNonce(7), log);
    // A host whose clock jumps.
    let jumps = AtomicU64::new(0);
    let clock = || 1_000 * jumps.fetch_add(1, Ordering::Relaxed);
    let heard = async {
        let mut decoder = Decoder::new();
        let mut buffer = [0; 4096];
        let mut times = Vec::new();
        while times.len() < 3 {
            let count = init.read(&mut buffer).await.unwrap();
            let mut input = &buffer[..count];
            while let Some(frame) = decoder.next(&mut input) {
                match ToInit::decode(&frame.unwrap().payload).unwrap() {
                    ToInit::Clock { now_ms } => times.push(now_ms),
                    other => panic!("{other:?}"),
                }
            }
        }
        times
    };
    let period = Duration::from_millis(5);
    let times = timeout(Duration::from_secs(10), async {
        tokio::select! {
            times = heard => times,
            () = driving => panic!("the line is closed"),
            never = send(guest, clock, period) => match never {},
        }
    });
    assert_eq!(times.await.unwrap(), [0, 1_000, 2_000]);
}

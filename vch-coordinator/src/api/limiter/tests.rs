use super::*;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn who_comes_when_all_permits_are_taken_is_let_in_when_one_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let mut limiter = ConnectionLimiter::new(UnixListener::bind(&path).unwrap(), 2);
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(UnixStream::connect(&path).await.unwrap());
    }
    let (first, _) = timeout(SOON, limiter.accept()).await.unwrap();
    let (mut second, _) = timeout(SOON, limiter.accept()).await.unwrap();
    {
        // A third has connected, so that a listener without a bound would let it in at the first poll.
        let mut third = std::pin::pin!(limiter.accept());
        assert!(futures_util::poll!(&mut third).is_pending());
        drop(first);
        let (mut third, _) = timeout(SOON, third).await.unwrap();
        clients[2].write_all(b"third").await.unwrap();
        let mut heard = [0; 5];
        timeout(SOON, third.read_exact(&mut heard))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(&heard, b"third");
    }
    // Who was let in is not disturbed.
    second.write_all(b"second").await.unwrap();
    let mut heard = [0; 6];
    timeout(SOON, clients[1].read_exact(&mut heard))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&heard, b"second");
}

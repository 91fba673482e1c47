use super::{faults::Faults, *};
use std::{io, time::Duration};
use tokio::time::timeout;

fn parts() -> (Parts, CancellationToken) {
    let stop = CancellationToken::new();
    (Parts::new(stop.clone(), Faults::default()), stop)
}

async fn end(parts: &mut Parts) -> String {
    let ended = timeout(Duration::from_secs(1), parts.ended()).await;
    ended.expect("it is noticed within a second").to_string()
}

#[tokio::test]
async fn a_part_that_returns_fails_or_panics_is_named() {
    let (mut parts, _stop) = parts();
    parts.spawn("steady part", std::future::pending());
    parts.spawn("first part", async {});
    assert!(end(&mut parts).await.contains("the first part ended"));
    parts.spawn_fallible("second part", async { Err(io::Error::other("no more")) });
    assert!(
        end(&mut parts)
            .await
            .contains("second part failed (no more)")
    );
    parts.spawn("third part", async { panic!("a defect") });
    assert!(end(&mut parts).await.contains("third part panicked"));
    parts.spawn_once("start", async { panic!("a defect") });
    assert!(end(&mut parts).await.contains("start panicked"));
}

#[tokio::test]
async fn what_ends_when_it_is_told_to_or_is_to_end_is_no_failure() {
    let (mut parts, stop) = parts();
    parts.spawn_once("start", async {});
    parts.spawn("part", std::future::pending());
    let stopped = stop.clone();
    parts.spawn_stopping("reconciler", async move {
        stopped.cancelled().await;
        Ok::<(), io::Error>(())
    });
    assert!(
        timeout(Duration::from_millis(50), parts.ended())
            .await
            .is_err()
    );
    stop.cancel();
    assert!(
        timeout(Duration::from_millis(50), parts.ended())
            .await
            .is_err()
    );
    timeout(Duration::from_secs(1), parts.close())
        .await
        .unwrap();
}

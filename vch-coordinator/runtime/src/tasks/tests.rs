use super::*;
use std::{future::pending, time::Duration};
use tokio::{sync::oneshot, time::timeout};

const SOON: Duration = Duration::from_secs(10);

/// Sends a message when it is dropped.
struct TellsDrop(Option<oneshot::Sender<()>>);

impl Drop for TellsDrop {
    fn drop(&mut self) {
        let told = self.0.take().map(|tell| tell.send(()));
        assert_eq!(told, Some(Ok(())), "its receiver is there");
    }
}

#[tokio::test]
async fn a_stop_ends_tasks_and_waits_until_what_they_held_is_gone() {
    let tasks = Tasks::default();
    let (tell, mut gone) = oneshot::channel();
    let held = TellsDrop(Some(tell));
    let task = tasks.spawn(async move {
        let _held = held;
        pending::<()>().await;
    });
    assert_eq!(tasks.spawn(async { 7 }).await.unwrap(), Some(7));
    assert!(gone.try_recv().is_err(), "it goes on");
    timeout(SOON, tasks.close()).await.unwrap();
    assert_eq!(gone.try_recv(), Ok(()));
    assert_eq!(task.await.unwrap(), None);
}

#[tokio::test]
async fn none_begins_after_the_stop() {
    let tasks = Tasks::default();
    tasks.close().await;
    assert_eq!(tasks.spawn(async { 7 }).await.unwrap(), None);
}

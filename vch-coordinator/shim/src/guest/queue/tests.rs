use super::{ENTRY, ExecEvent, Queue};
use protocol::process::{
    MAX_CHUNK,
    Output::{Stderr, Stdout},
};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

fn queue() -> (Queue, Arc<AtomicUsize>) {
    let all = Arc::new(AtomicUsize::new(0));
    (Queue::new(Arc::clone(&all)), all)
}

#[tokio::test]
async fn pieces_of_one_stream_are_joined_and_streams_stay_in_order() {
    let (queue, all) = queue();
    queue.push(ExecEvent::Started(7));
    for byte in b"abc" {
        queue.push(ExecEvent::Output(Stdout, vec![*byte]));
    }
    queue.push(ExecEvent::Output(Stderr, b"d".to_vec()));
    queue.push(ExecEvent::Output(Stdout, vec![b'e'; MAX_CHUNK]));
    queue.push(ExecEvent::Output(Stdout, b"f".to_vec()));
    queue.close();
    assert_eq!(all.load(Relaxed), 5 * ENTRY + 4 + MAX_CHUNK + 1);
    let mut read = Vec::new();
    while let Some(one) = queue.next().await {
        read.push(one);
    }
    let expected = [
        ExecEvent::Started(7),
        ExecEvent::Output(Stdout, b"abc".to_vec()),
        ExecEvent::Output(Stderr, b"d".to_vec()),
        ExecEvent::Output(Stdout, vec![b'e'; MAX_CHUNK]),
        ExecEvent::Output(Stdout, b"f".to_vec()),
    ];
    assert_eq!(read, expected);
    assert_eq!(all.load(Relaxed), 0);
}

#[tokio::test]
async fn what_is_given_up_is_counted_by_stream_and_the_rest_stays() {
    let (queue, all) = queue();
    queue.push(ExecEvent::Started(7));
    queue.push(ExecEvent::Output(Stdout, vec![0; 100]));
    queue.push(ExecEvent::Output(Stderr, vec![0; 10]));
    queue.discard();
    queue.push(ExecEvent::Output(Stdout, vec![0; 1]));
    queue.discard();
    assert_eq!(queue.held(), 2 * ENTRY);
    assert_eq!(queue.next().await, Some(ExecEvent::Started(7)));
    assert_eq!(queue.next().await, Some(ExecEvent::Lost([101, 10])));
    drop(queue);
    assert_eq!(all.load(Relaxed), 0);
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_by_news_and_by_the_end() {
    let (queue, _) = queue();
    let queue = Arc::new(queue);
    let reading = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { (queue.next().await, queue.next().await) }
    });
    tokio::task::yield_now().await;
    queue.push(ExecEvent::Started(1));
    tokio::task::yield_now().await;
    queue.close();
    assert_eq!(reading.await.unwrap(), (Some(ExecEvent::Started(1)), None));
}

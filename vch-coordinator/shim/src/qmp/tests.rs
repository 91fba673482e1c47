//! Tests of QMP; QEMU is played by the other end of a socket pair.

use super::{Qmp, QmpError};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    task::JoinHandle,
};

/// Plays QEMU: sends these lines after each line that arrives, the greeting first.
fn qemu(stream: UnixStream, said: Vec<Vec<String>>) -> JoinHandle<Vec<Value>> {
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut heard = Vec::new();
        for (number, lines) in said.into_iter().enumerate() {
            if number > 0 {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap() == 0 {
                    break;
                }
                heard.push(serde_json::from_str(&line).unwrap());
            }
            for line in lines {
                let line = format!("{line}\n");
                // The test has what it wants.
                if stream.write_all(line.as_bytes()).await.is_err() {
                    return heard;
                }
            }
        }
        heard
    })
}

fn hello() -> Vec<Vec<String>> {
    vec![
        vec![json!({"QMP": {}}).to_string()],
        vec![json!({"return": {}}).to_string()],
    ]
}

fn deleted(device: &str) -> String {
    json!({"event": "DEVICE_DELETED", "data": {"device": device}}).to_string()
}

#[tokio::test]
async fn events_between_a_command_and_its_answer_are_kept_for_the_one_who_waits() {
    let (ours, its) = UnixStream::pair().unwrap();
    let mut said = hello();
    said.push(vec![
        json!({"event": "RESUME"}).to_string(),
        deleted("n1"),
        json!({"return": {"status": "running"}}).to_string(),
    ]);
    let its = qemu(its, said);
    let mut qmp = Qmp::greet(ours).await.unwrap();
    let answer = qmp.execute("query-status", json!({})).await.unwrap();
    assert_eq!(answer, json!({"status": "running"}));
    qmp.deleted("n1").await.unwrap();
    let heard = its.await.unwrap();
    assert_eq!(heard[0]["execute"], "qmp_capabilities");
    assert_eq!(heard[1]["execute"], "query-status");
}

#[tokio::test]
async fn a_flood_of_events_is_not_kept() {
    let (ours, its) = UnixStream::pair().unwrap();
    let mut said = hello();
    let mut flood: Vec<String> = (0..1000)
        .map(|number| deleted(&format!("x{number}")))
        .collect();
    flood.push(deleted(&"y".repeat(100_000)));
    flood.push(json!({"return": {}}).to_string());
    said.push(flood);
    qemu(its, said);
    let mut qmp = Qmp::greet(ours).await.unwrap();
    qmp.execute("cont", json!({})).await.unwrap();
    assert_eq!(qmp.deleted.len(), super::MAX_DELETED);
    assert!(
        qmp.deleted
            .iter()
            .all(|device| device.len() <= super::MAX_ID)
    );
}

#[tokio::test]
async fn a_refusal_is_told_in_clean_words() {
    let (ours, its) = UnixStream::pair().unwrap();
    let mut said = hello();
    said.push(vec![
        json!({"error": {"desc": format!("no\x1b[2J {}", "x".repeat(100_000))}}).to_string(),
    ]);
    qemu(its, said);
    let mut qmp = Qmp::greet(ours).await.unwrap();
    let error = qmp.execute("device_add", json!({})).await.unwrap_err();
    let QmpError::Refused { command, reason } = error else {
        panic!("{error}");
    };
    assert_eq!(command, "device_add");
    assert!(
        reason.starts_with("no[2J xxx") && reason.len() <= 4096,
        "{reason}"
    );
}

#[tokio::test]
async fn what_is_no_json_or_too_long_a_line_closes_the_channel() {
    for line in ["no json".to_owned(), "x".repeat(2 << 20)] {
        let (ours, its) = UnixStream::pair().unwrap();
        qemu(its, vec![vec![line]]);
        let error = Qmp::greet(ours).await.err().unwrap();
        assert!(matches!(error, QmpError::Closed(_)), "{error}");
    }
}

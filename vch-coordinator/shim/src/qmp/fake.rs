//! A fake of QEMU's end of the control channel, for tests.

use super::Qmp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    task::JoinSet,
};

/// A fake QEMU.
pub struct FakeQemu(JoinSet<Vec<Value>>);

impl FakeQemu {
    /// Greets a client, and answers each of its commands with the lines that `answers` returns.
    pub async fn new(answers: impl FnMut(&Value) -> Vec<Value> + Send + 'static) -> (Self, Qmp) {
        let (ours, its) = UnixStream::pair().unwrap();
        let mut task = JoinSet::new();
        task.spawn(play(its, answers));
        let qmp = Qmp::greet(ours).await.unwrap();
        (Self(task), qmp)
    }

    /// Returns every command that arrived, once the client has closed the channel.
    pub async fn heard(mut self) -> Vec<Value> {
        self.0.join_next().await.unwrap().unwrap()
    }
}

async fn play(stream: UnixStream, mut answers: impl FnMut(&Value) -> Vec<Value>) -> Vec<Value> {
    let mut stream = BufReader::new(stream);
    send_line(&mut stream, &json!({"QMP": {}})).await;
    let mut heard = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap() == 0 {
            return heard;
        }
        let command: Value = serde_json::from_str(&line).unwrap();
        if command["execute"] == "qmp_capabilities" {
            send_line(&mut stream, &done()).await;
            continue;
        }
        for answer in answers(&command) {
            send_line(&mut stream, &answer).await;
        }
        heard.push(command);
    }
}

async fn send_line(to: &mut BufReader<UnixStream>, line: &Value) {
    let line = format!("{line}\n");
    to.write_all(line.as_bytes()).await.unwrap();
}

/// Returns the line that says that a command was carried out.
pub fn done() -> Value {
    json!({"return": {}})
}

/// Returns the line that refuses a command.
pub fn refused(reason: &str) -> Value {
    json!({"error": {"class": "GenericError", "desc": reason}})
}

/// Returns the event that a device was removed.
pub fn deleted(device: &str) -> Value {
    json!({"event": "DEVICE_DELETED", "data": {"device": device}})
}

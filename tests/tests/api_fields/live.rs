//! Containers that run, and have run: what is asked of them is seen from inside, or in what they wrote.

use crate::{answer::Answer, list::Operation, world::World};
use lab::eventually;
use lab::http::{Raw, UPGRADE, unframed};
use serde_json::{Value, json};
use std::time::Duration;

/// At a terminal, with its input open.
pub const LIVE: &str = "live";
/// It has written lines on both streams and ended.
pub const ENDED: &str = "ended";
const SOON: Duration = Duration::from_secs(60);

/// It tells of its terminal's size when that changes, and of a signal.
const LIVES: &str = "trap 'echo heard USR1' USR1; trap 'stty size' WINCH; echo ready; \
    while :; do sleep 0.1; done";
const ENDS: &str = "echo one; echo two; echo wrong >&2";
/// What a process beside them tells of itself.
const TELLS: &str = r#"
read line
echo "read $line"
echo "variable $A"
echo "user $(id -u)"
echo "folder $(pwd)"
echo "terminal $(stty size 2>/dev/null)"
echo "capabilities $(grep CapEff /proc/self/status | cut -f 2)"
echo wrong >&2
"#;

/// Which container an operation is about, if it is one of these.
pub fn subject(operation: &Operation, answer: &Answer) -> Option<&'static str> {
    let streams = answer.sent.iter().any(|(name, _)| name.ends_with("stream"));
    match &*operation.path {
        "/containers/{id}/attach" if streams => Some(LIVE),
        "/containers/{id}/attach" | "/containers/{id}/logs" => Some(ENDED),
        "/containers/{id}/exec"
        | "/containers/{id}/top"
        | "/containers/{id}/stats"
        | "/containers/{id}/resize"
        | "/containers/{id}/kill"
        | "/containers/{id}/stop" => Some(LIVE),
        path if path.starts_with("/exec/") => Some(LIVE),
        _ => None,
    }
}

/// Whether a process beside a container is what an operation is about.
pub fn is_of_an_exec(operation: &Operation) -> bool {
    operation.path.starts_with("/exec/")
}

/// Returns the request for a process beside a container, with defaults for the fields that are not under test.
pub fn process() -> Value {
    json!({ "Cmd": ["sh", "-c", TELLS] })
}

impl World<'_> {
    /// Makes both containers; the first is started where it is needed.
    pub fn make_live(&self, image: &str) {
        let bodies = [
            (
                LIVE,
                json!({ "Image": image, "Cmd": ["sh", "-c", LIVES], "Tty": true, "OpenStdin": true, "Env": ["A=b0"],
                    "HostConfig": { "NetworkMode": "none" } }),
            ),
            (
                ENDED,
                json!({ "Image": image, "Cmd": ["sh", "-c", ENDS], "HostConfig": { "NetworkMode": "none" } }),
            ),
        ];
        for (name, body) in bodies {
            let target = format!("/containers/create?name={name}");
            let answer = self.send("POST", &target, Some(&body));
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        let started = self.send("POST", &format!("/containers/{ENDED}/start"), None);
        assert_eq!(started.status, 204, "{started:?}");
        let waited = self.send("POST", &format!("/containers/{ENDED}/wait"), None);
        assert_eq!(waited.body["StatusCode"], 0, "{waited:?}");
    }

    /// Starts the one that runs where it does not.
    pub fn revive(&self) {
        let answer = self.send("POST", &format!("/containers/{LIVE}/start"), None);
        assert!(matches!(answer.status, 204 | 304), "{answer:?}");
        if answer.status == 204 {
            let ready = || self.written().ends_with("ready\r\n");
            eventually(SOON, "it hears signals", ready).unwrap();
        }
    }

    /// Returns the output of the running process.
    fn written(&self) -> String {
        let request = self.request("GET", &format!("/containers/{LIVE}/logs?stdout=1"));
        let raw = Raw::open(&self.socket, &request, &[("Connection", "close")], None).unwrap();
        String::from_utf8(raw.body(SOON).unwrap()).unwrap()
    }

    /// Makes a process beside it that is at a terminal and not started; its ID.
    pub fn make_exec(&self, operation: &Operation) -> String {
        let mut body = process();
        if operation.path == "/exec/{id}/resize" {
            body = json!({ "Cmd": ["sh", "-c", "read line; stty size"] });
        }
        for field in ["Tty", "AttachStdin", "AttachStdout"] {
            body[field] = json!(true);
        }
        let answer = self.send("POST", &format!("/containers/{LIVE}/exec"), Some(&body));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["Id"].as_str().unwrap().to_owned()
    }

    /// Returns the output after an operation was requested; `target` is its path and query, and `exec` a process.
    pub fn told(
        &self,
        operation: &Operation,
        (target, body): (&str, Option<&Value>),
        exec: &str,
        wanted: (&str, bool),
    ) -> Result<String, String> {
        let done = |expected: u16| {
            let answer = self.send(&operation.method, target, body);
            match answer.status == expected {
                true => Ok(answer),
                false => Err(format!("{} {}", answer.status, answer.message())),
            }
        };
        match &*operation.path {
            "/containers/{id}/resize" => {
                done(200)?;
                Ok(self.comes(wanted.0))
            }
            "/containers/{id}/kill" => {
                done(204)?;
                Ok(self.comes(wanted.0))
            }
            "/containers/{id}/logs" => {
                let request = self.request(&operation.method, target);
                let closes = [("Connection", "close")];
                let raw = Raw::open(&self.socket, &request, &closes, None).unwrap();
                let bytes = raw.body(SOON).unwrap();
                unframed(&bytes)
                    .map(|streams| streams.concat())
                    .map_err(|error| error.to_string())
            }
            "/containers/{id}/attach" => {
                self.attached(&self.request(&operation.method, target), wanted)
            }
            "/containers/{id}/exec" => {
                let exec = done(201)?.body["Id"].as_str().unwrap().to_owned();
                let terminal = body.is_some_and(|body| body["Tty"] == true);
                let start = json!({ "Tty": terminal });
                self.started(&exec, &start)
            }
            "/exec/{id}/start" => self.started(exec, body.unwrap()),
            "/exec/{id}/resize" => {
                let request = self.request("POST", &format!("/exec/{exec}/start"));
                let start = json!({ "Tty": true });
                let mut raw = Raw::open(&self.socket, &request, &UPGRADE, Some(&start)).unwrap();
                done(201)?;
                raw.write("\n").unwrap();
                Ok(String::from_utf8(raw.end(SOON).unwrap()).unwrap())
            }
            path => panic!("{path}: nothing tells of it"),
        }
    }

    /// Waits until the container that runs has written this.
    fn comes(&self, text: &str) -> String {
        let come = eventually(SOON, text, || self.written().contains(text));
        come.map_or_else(|error| error.to_string(), |()| text.to_owned())
    }

    /// Starts a process with what is typed to it.
    fn started(&self, exec: &str, start: &Value) -> Result<String, String> {
        let request = self.request("POST", &format!("/exec/{exec}/start"));
        let mut raw = Raw::open(&self.socket, &request, &UPGRADE, Some(start)).unwrap();
        if raw.status != 101 {
            return Err(raw.head);
        }
        raw.write("typed\n").unwrap();
        let bytes = raw.end(SOON).unwrap();
        if start["Tty"] == true {
            return Ok(String::from_utf8(bytes).unwrap());
        }
        let streams = unframed(&bytes).map_err(|error| error.to_string())?;
        Ok(streams.concat())
    }

    /// Returns the output that an attach receives, up to its end or the text; ^A and a line are
    /// typed to one with input.
    fn attached(&self, request: &str, (text, only): (&str, bool)) -> Result<String, String> {
        let mut raw = Raw::open(&self.socket, request, &UPGRADE, None).unwrap();
        if raw.status != 101 {
            return Err(raw.head);
        }
        let framed = raw.header("content-type").contains("multiplexed");
        if request.contains("stdin") {
            raw.write("\u{1}typed\n").unwrap();
        }
        let bytes = match only {
            true => raw.end(SOON),
            false => raw.until(text.as_bytes(), SOON),
        };
        let bytes = bytes.map_err(|error| format!("{error:#}"))?;
        match framed {
            true => unframed(&bytes)
                .map(|streams| streams.concat())
                .map_err(|error| error.to_string()),
            false => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

//! The native API as a stranger's HTTP client meets it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{Coordinator, Lab};

const ANSWER: Duration = Duration::from_secs(5);

#[test]
fn a_body_that_comes_behind_its_head_leaves_the_connection_usable() {
    let lab = Lab::of_namespaces("api").unwrap();
    let topology = lab.topology().unwrap();
    let vch = Coordinator::start(&lab, &topology.vch).unwrap();
    vch.vchctl("container add server").unwrap();
    let mut stream = UnixStream::connect(vch.socket()).unwrap();
    stream.set_read_timeout(Some(ANSWER)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());

    let head =
        "POST /v1/containers/server/start HTTP/1.1\r\nhost: vch\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // Another client is served meanwhile: time enough for an answer that does not wait.
    vch.vchctl("status").unwrap();
    stream.write_all(b"{}").unwrap();
    assert_eq!(status(&mut answers).unwrap(), 200);

    let next = "GET /v1/status HTTP/1.1\r\nhost: vch\r\n\r\n";
    stream.write_all(next.as_bytes()).unwrap();
    assert_eq!(status(&mut answers).unwrap(), 200);
}

/// Reads one answer whole and gives its status.
fn status(answers: &mut impl BufRead) -> Result<u16> {
    let mut line = || -> Result<String> {
        let mut text = String::new();
        ensure!(
            answers.read_line(&mut text)? > 0,
            "the connection was closed"
        );
        Ok(text.trim_end().to_ascii_lowercase())
    };
    let first = line()?;
    let mut length = 0;
    loop {
        let field = line()?;
        if field.is_empty() {
            break;
        }
        if let Some(value) = field.strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
    }
    answers.read_exact(&mut vec![0; length])?;
    Ok(first.split(' ').nth(1).context("no status")?.parse()?)
}

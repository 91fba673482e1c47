//! What goes in and comes out of a container's processes, byte for byte.

use std::fs;
use std::time::Duration;

use lab::Lab;
use protocol::process::{Listed, Process, ProcessId, TerminalSize};
use tokio::time::timeout;
use vch_shim::{Client, ClientError, StreamItem, log::Position};

use crate::world::{Ran, SOON, Shim, launch, process, terminal};

const MEGABYTE: usize = 1 << 20;
/// What it reads it sums up, and writes again.
const SCRIPT: &str =
    "cat >/tmp/in; sha256sum /tmp/in | cut -c 1-64; cat /tmp/in >&2; echo done; exit 7";

/// Bytes of every value, zero and line ends among them.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn a_container_s_streams_are_whole_and_its_end_is_told() {
    let lab = Lab::of_vms("streams").unwrap();
    let mut launch = launch(&lab, &["sh", "-c", SCRIPT]);
    launch.start.process.input = true;
    let mut shim = Shim::start(&lab, &launch);
    shim.started().await;

    processes_beside_it(&shim).await;
    a_terminal(&shim).await;
    its_processes_and_its_use(&shim).await;

    let sent = pattern(MEGABYTE);
    let client = shim.client();
    let mut attached = client.attach(None, true, true).await.unwrap();
    for piece in sent.chunks(100_000) {
        attached.writer.write(piece).await.unwrap();
    }
    // This client goes, with its input; another one reads all of it, from the first byte on.
    attached.writer.write(&[]).await.unwrap();
    let first = Position::default();
    let whole = client.attach(Some(first), false, false).await.unwrap();
    drop(attached);
    let ran = Ran::of(whole).await;
    assert!(
        ran.error == sent,
        "a megabyte in, {} bytes out",
        ran.error.len()
    );
    let (sum, rest) = ran.output.split_at(64);
    assert!(rest == b"\ndone\n", "{} bytes more", rest.len());
    let expected = shim.lab.path("sent");
    fs::write(&expected, &sent).unwrap();
    let own = std::process::Command::new("sha256sum")
        .arg(&expected)
        .output()
        .unwrap();
    assert_eq!(sum, &own.stdout[..64]);

    let outcome = shim.outcome();
    assert_eq!((outcome.code, outcome.failure), (7, None));
    assert!(outcome.started_ms > 0 && outcome.finished_ms >= outcome.started_ms);
    let mut reader = vch_shim::log::Reader::from_start(&shim.dir).unwrap();
    let mut kept = 0;
    while let Some(record) = reader.read().unwrap() {
        kept += record.bytes.len();
    }
    assert_eq!(kept, MEGABYTE + 64 + 6, "the log outlives the shim");
}

async fn processes_beside_it(shim: &Shim) {
    let ran = shim.sh("echo out; echo err >&2; exit 3").await;
    assert_eq!(
        (&*ran.text(), &*ran.errors(), ran.code()),
        ("out\n", "err\n", 3)
    );
    let refused = |words: &'static [&'static str]| async move {
        match shim.exec(process(words)).await {
            Err(ClientError::Refused { code, reason }) => (code, reason),
            other => panic!("{other:?}"),
        }
    };
    let (code, reason) = refused(&["nosuch"]).await;
    assert_eq!(code, "not-found");
    assert_eq!(
        reason,
        "exec: \"nosuch\": executable file not found in $PATH"
    );
    assert_eq!(refused(&["/etc/passwd"]).await.0, "not-executable");

    let www = Process {
        user: "www".to_owned(),
        dir: "/etc".to_owned(),
        environment: vec!["GREETING=hello world".to_owned()],
        ..process(&[
            "sh",
            "-c",
            "id -u; id -g; id -G; pwd; echo $GREETING; echo $HOME",
        ])
    };
    let ran = shim.exec(www).await.unwrap();
    assert_eq!(
        ran.text(),
        "33\n34\n34 4\n/etc\nhello world\n/var\n",
        "{ran:?}"
    );
    let unknown = Process {
        user: "nobody".to_owned(),
        ..process(&["true"])
    };
    let refused = shim.exec(unknown).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "unable to find user nobody: no matching entries in passwd file"
    );
    let nowhere = Process {
        dir: "/missing".to_owned(),
        ..process(&["true"])
    };
    let refused = shim.exec(nowhere).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "chdir to cwd (\"/missing\") failed: no such file or directory"
    );

    // Ends by a signal, and leaves nobody behind that the guest would not reap.
    let running = shim
        .client()
        .exec(process(&["sleep", "100"]))
        .await
        .unwrap();
    shim.client().signal(running.id, 15).await.unwrap();
    assert_eq!(Ran::of(running.streams).await.code(), 128 + 15);
    let orphans = shim
        .sh("for i in 1 2 3; do (sleep 0.1 &) ; done; sleep 1; ps | grep -c '[Z]ombie'")
        .await;
    assert_eq!(orphans.text(), "0\n");

    // A reader that takes its time stops its own process only.
    let slow = shim
        .client()
        .exec(process(&["head", "-c", "3000000", "/dev/zero"]))
        .await
        .unwrap();
    assert_eq!(shim.sh("echo quick").await.text(), "quick\n");
    let zeroes = Ran::of(slow.streams).await.output;
    assert!(zeroes == vec![0; 3_000_000], "{} bytes", zeroes.len());
}

async fn a_terminal(shim: &Shim) {
    let mut running = shim
        .client()
        .exec(terminal(&["sh"], 40, 100))
        .await
        .unwrap();
    let streams = &mut running.streams;
    let ask = b"stty size; tty; echo $((6 * 7))\n";
    streams.writer.write(ask).await.unwrap();
    let seen = until(&mut running.streams, "42\r\n").await;
    assert!(seen.contains("40 100\r\n"), "{seen:?}");
    assert!(seen.contains("/dev/pts/"), "{seen:?}");
    let size = TerminalSize {
        rows: 50,
        columns: 132,
    };
    shim.client().resize(running.id, size).await.unwrap();
    running.streams.writer.write(b"stty size\n").await.unwrap();
    until(&mut running.streams, "50 132\r\n").await;
    // ^C ends what runs in it.
    running.streams.writer.write(b"sleep 1000\n").await.unwrap();
    until(&mut running.streams, "sleep 1000\r\n").await;
    // The shell has given the terminal its keys back before it runs anything.
    let runs = async {
        let is_it = |process: &Listed| process.command_line == "sleep 1000";
        while !shim.client().list().await.unwrap().iter().any(is_it) {}
    };
    timeout(SOON, runs).await.unwrap();
    running.streams.writer.write(&[3]).await.unwrap();
    until(&mut running.streams, "^C").await;
    running.streams.writer.write(b"exit 5\n").await.unwrap();
    assert_eq!(Ran::of(running.streams).await.code(), 5);
}

async fn until(streams: &mut vch_shim::Streams, end: &str) -> String {
    let mut seen = String::new();
    let reading = async {
        while !seen.contains(end) {
            match streams.reader.next().await.unwrap() {
                StreamItem::Output(_, bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                StreamItem::Ended(exit) => panic!("{exit:?} behind {seen:?}"),
            }
        }
    };
    let read = timeout(SOON, reading).await;
    assert!(read.is_ok(), "{end:?} is not in {seen:?}");
    seen
}

async fn its_processes_and_its_use(shim: &Shim) {
    let client: Client = shim.client();
    let sleep = client.exec(process(&["sleep", "1000"])).await.unwrap();
    let listed = client.list().await.unwrap();
    assert_eq!(listed[0].pid, 1);
    assert!(listed[0].command_line.starts_with("sh -c"), "{listed:?}");
    let found = listed
        .iter()
        .find(|process| process.command_line == "sleep 1000")
        .unwrap();
    assert_eq!((found.pid, found.uid), (sleep.pid, 0));
    let usage = client.usage().await.unwrap();
    assert!(usage.cpu_ns[0] > 0 && usage.memory[0] > 0, "{usage:?}");
    assert!(usage.memory_limit < 192 << 20, "{usage:?}");
    assert!(usage.tasks >= 2 && usage.cpus == 1, "{usage:?}");
    client.signal(sleep.id, 9).await.unwrap();
    assert_eq!(Ran::of(sleep.streams).await.code(), 137);
    let main = ProcessId::MAIN;
    client.signal(main, 18).await.unwrap();
    let still = timeout(Duration::from_secs(5), client.list())
        .await
        .unwrap();
    assert!(still.is_ok());
}

use super::*;
use crate::message::{Envelope, Message};
use crate::message::{LogLevel, LogLine, SessionNonce, ToAgent, ToCoordinator};
use crate::transport::{AgentEnd, ChannelError, Received};
use nix::pty::openpty;
use std::os::fd::OwnedFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Makes a terminal pair: the device that the agent opens by name, and the host's end.
fn terminal() -> (PathBuf, OwnedFd, OwnedFd) {
    let pair = openpty(None, None).unwrap();
    let path = nix::unistd::ttyname(&pair.slave).unwrap();
    (path, pair.master, pair.slave)
}

fn host_end(master: OwnedFd) -> DeviceStream {
    let flags = nix::fcntl::OFlag::O_NONBLOCK;
    nix::fcntl::fcntl(&master, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    DeviceStream(watch(File::from(master)).unwrap())
}

#[tokio::test]
async fn every_byte_goes_through_a_serial_line_unchanged_both_ways() {
    let (path, master, _slave) = terminal();
    let mut serial = open_serial(&path).unwrap();
    let mut host = host_end(master);
    let all: Vec<u8> = (0..=255).collect();
    host.write_all(&all).await.unwrap();
    let mut read = vec![0; 256];
    serial.read_exact(&mut read).await.unwrap();
    assert_eq!(read, all);
    serial.write_all(&all).await.unwrap();
    host.read_exact(&mut read).await.unwrap();
    assert_eq!(read, all);
}

#[tokio::test]
async fn messages_go_over_a_serial_line_and_a_hang_up_is_its_end() {
    let (path, master, slave) = terminal();
    let mut agent = AgentEnd::new(open_serial(&path).unwrap());
    drop(slave);
    let mut host = host_end(master);
    let mut line = vec![0xff; 40];
    crate::frame::encode(
        SessionNonce::NONE,
        &ToAgent::Probe.encode().unwrap(),
        &mut line,
    )
    .unwrap();
    host.write_all(&line).await.unwrap();
    assert!(matches!(agent.recv().await, Ok(Received::Skipped(_))));
    assert!(matches!(agent.recv().await, Ok(Received::Message(_))));
    drop(host);
    let ended = tokio::time::timeout(Duration::from_secs(10), agent.recv()).await;
    assert!(matches!(
        ended.unwrap(),
        Err(ChannelError::Closed | ChannelError::Read(_))
    ));
    let log = Envelope {
        nonce: SessionNonce(1),
        message: ToCoordinator::Log(LogLine {
            level: LogLevel::Info,
            text: "gone".to_owned(),
        }),
    };
    let sent = tokio::time::timeout(Duration::from_secs(10), agent.send(&log)).await;
    assert!(matches!(sent.unwrap(), Err(ChannelError::Write(_))));
}

#[tokio::test]
async fn what_is_no_terminal_is_refused_with_what_was_tried() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = open_serial(&file).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("can't make raw /"), "{error}");
    let absent = directory.path().join("absent");
    let error = open_serial(&absent).map(|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("can't open /"), "{error}");
}

#[test]
fn a_virtio_port_is_found_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    for (port, name) in [("vport0p1", "console\n"), ("vport1p2", "tether\n")] {
        let port = directory.path().join(port);
        std::fs::create_dir(&port).unwrap();
        std::fs::write(port.join("name"), name).unwrap();
    }
    std::fs::create_dir(directory.path().join("vport2p1")).unwrap();
    let found = find_port(directory.path(), "tether").unwrap();
    assert_eq!(found, Path::new("/dev/vport1p2"));
    let error = find_port(directory.path(), "tethe").unwrap_err();
    assert!(matches!(error, OpenError::NoSuchPort(name) if name == "tethe"));
    let nowhere = directory.path().join("absent");
    assert!(find_port(&nowhere, "tether").is_err());
}

#[test]
fn a_device_whose_other_end_is_gone_is_seen_to_have_hung_up() {
    let (path, master, slave) = terminal();
    drop(slave);
    let device = open(&path).unwrap();
    assert!(!hung_up(&device).unwrap());
    drop(master);
    assert!(hung_up(&device).unwrap());
}

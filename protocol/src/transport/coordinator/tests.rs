use super::*;
use crate::message::{Envelope, Hello, SessionNonce, ToAgent};
use crate::transport::{AgentEnd, agent};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;
use tokio::io::AsyncBufReadExt;

struct SocketDirectory {
    directory: TempDir,
}

impl SocketDirectory {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    fn hybrid(&self) -> CoordinatorOpener {
        CoordinatorOpener::new(CoordinatorChannel::HybridVsock {
            socket: self.socket(),
            port: PrivilegedPort::try_from(1000).unwrap(),
        })
    }

    fn listening(&self) -> CoordinatorOpener {
        CoordinatorOpener::new(CoordinatorChannel::Unix(self.socket()))
    }
}

async fn dial(path: &Path) -> ChannelStream {
    let address = crate::transport::ChannelAddress::Unix(path.to_owned());
    match agent::AgentOpener::new(address).open().await.unwrap() {
        agent::Opened::Stream(stream) => stream,
        agent::Opened::TurnedAway(peer) => panic!("turned away {peer}"),
    }
}

/// Opens by hybrid vsock against a VMM that answers so.
async fn open_against(answer: &[u8]) -> Result<ChannelStream, OpenError> {
    let at = SocketDirectory::new();
    let vmm = UnixListener::bind(at.socket()).unwrap();
    let mut opener = at.hybrid();
    let serve = async {
        let (stream, _) = vmm.accept().await.unwrap();
        let mut stream = tokio::io::BufReader::new(stream);
        let mut request = String::new();
        stream.read_line(&mut request).await.unwrap();
        assert_eq!(request, "CONNECT 1000\n");
        // The dialler may be gone before all of a hostile answer is written.
        let _written = stream.write_all(answer).await;
    };
    tokio::join!(opener.open(), serve).0
}

#[tokio::test]
async fn hybrid_vsock_leaves_the_guests_first_bytes_to_the_channel() {
    let mut stream = open_against(b"OK 1073741824\nguest").await.unwrap();
    let mut bytes = [0; 5];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"guest");
}

#[tokio::test]
async fn an_answer_other_than_ok_is_an_error_that_shows_it() {
    for answer in [
        &b""[..],
        b"OK\n",
        b"OK \n",
        b"OK x\n",
        b"OK 1000",
        b"NO 1\n",
        &[b'O'; 4000],
        b"\x1b[2J\n",
    ] {
        match open_against(answer).await.map(|_| ()) {
            Err(OpenError::NotConnected { answer, .. }) => {
                assert!(answer.len() <= 400 && !answer.contains('\x1b'), "{answer}");
            }
            // An answer that was not read whole resets the connection.
            Err(OpenError::Refused { .. }) if answer.len() > MAX_ANSWER => {}
            other => panic!("expected {answer:?} to be refused, got {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vmm_that_does_not_answer_is_given_up_after_five_seconds() {
    let at = SocketDirectory::new();
    let _vmm = UnixListener::bind(at.socket()).unwrap();
    let begun = Instant::now();
    let result = at.hybrid().open().await.map(|_| ());
    assert!(matches!(result, Err(OpenError::TimedOut { .. })));
    assert_eq!(begun.elapsed(), DIAL_DEADLINE);
}

#[tokio::test]
async fn a_socket_that_is_not_there_is_an_error_that_names_it() {
    let at = SocketDirectory::new();
    for channel in [
        at.hybrid().channel().clone(),
        CoordinatorChannel::Chardev(at.socket()),
    ] {
        let error = CoordinatorOpener::new(channel)
            .open()
            .await
            .map(|_| ())
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&*at.socket().to_string_lossy()), "{text}");
    }
}

#[tokio::test]
async fn a_unix_channel_is_its_owners_alone_and_its_file_goes_with_it() {
    let at = SocketDirectory::new();
    let mut opener = at.listening();
    let (opened, _stream) = tokio::join!(opener.open(), async {
        while !at.socket().exists() {
            tokio::task::yield_now().await;
        }
        dial(&at.socket()).await
    });
    opened.unwrap();
    let mode = fs::metadata(at.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(opener);
    assert_eq!(fs::read_dir(at.directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn the_socket_of_a_coordinator_that_was_killed_is_replaced() {
    let at = SocketDirectory::new();
    drop(UnixListener::bind(at.socket()).unwrap());
    assert!(at.socket().exists(), "it left its socket");
    let mut opener = at.listening();
    let (opened, _stream) = tokio::join!(opener.open(), async {
        loop {
            match UnixStream::connect(at.socket()).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    opened.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_socket_is_left_alone_and_tried_again_after_a_second() {
    let at = SocketDirectory::new();
    fs::write(at.socket(), "precious").unwrap();
    let mut opener = at.listening();
    let begun = Instant::now();
    for tries in 0..3 {
        let error = opener.open().await.map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::NotASocket(_)), "{error}");
        assert_eq!(begun.elapsed(), LISTEN_AGAIN * tries);
    }
    assert_eq!(fs::read_to_string(at.socket()).unwrap(), "precious");
}

#[tokio::test]
async fn who_comes_second_is_told_that_the_channel_is_occupied() {
    let (ours, theirs) = tokio::io::duplex(4096);
    let mut agent = AgentEnd::new(Box::new(theirs));
    let hello = Hello {
        oldest: 1,
        newest: 1,
        nonce: SessionNonce(7),
        agent: "second".to_owned(),
        capabilities: Vec::new(),
        held: None,
    };
    let asks = async {
        let envelope = Envelope {
            nonce: hello.nonce,
            message: ToCoordinator::Hello(hello.clone()),
        };
        agent.send(&envelope).await.unwrap();
        agent.recv().await.unwrap()
    };
    let (answer, turned) = tokio::join!(asks, turn_away(Box::new(ours), Refusal::Occupied));
    turned.unwrap();
    match answer {
        Received::Message(envelope) => {
            assert_eq!(envelope.nonce, hello.nonce);
            assert_eq!(envelope.message, ToAgent::Refuse(Refusal::Occupied));
        }
        Received::Skipped(error) => panic!("expected a refusal, got {error}"),
    }
    assert!(matches!(agent.recv().await, Err(ChannelError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn who_is_turned_away_and_says_nothing_is_dropped_after_two_seconds() {
    let (ours, _theirs) = tokio::io::duplex(4096);
    let begun = Instant::now();
    turn_away(Box::new(ours), Refusal::Occupied).await.unwrap();
    assert_eq!(begun.elapsed(), HELLO_DEADLINE);
}

#[tokio::test]
async fn a_listener_that_goes_late_leaves_its_successor_the_name() {
    let at = SocketDirectory::new();
    let first = Socket::bind(&at.socket()).unwrap();
    let second = Socket::bind(&at.socket()).unwrap();
    drop(first);
    let path = at.socket();
    let (_dialled, accepted) = tokio::join!(dial(&path), second.accept());
    accepted.unwrap();
    drop(second);
    assert!(!at.socket().exists());
}

use super::*;
use tokio::net::UnixListener;
use vch_ledger::{ContainerId, EndpointId, Id};

fn nic() -> Nic {
    Nic {
        container: "web".parse().unwrap(),
        container_id: ContainerId::from_bytes([0; 32]),
        endpoint_id: EndpointId::from_bytes([0x11; 32]),
        interface: "eth1".parse().unwrap(),
        tap: "vt-1".parse().unwrap(),
        mac: "02:00:00:00:00:01".parse().unwrap(),
        found_by: NicMatch::Mac("02:00:00:00:00:01".parse().unwrap()),
    }
}

/// Returns the hook's own error.
fn unanswered(error: &NicError) -> &HookError {
    let NicError::Unanswered(error) = error else {
        panic!("{error}");
    };
    error.downcast_ref().unwrap()
}

/// Sends a request to a program that gives this answer. Returns the request and its result.
async fn asked(answer: &str) -> (String, Result<(), NicError>) {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("hook");
    let listener = UnixListener::bind(&socket).unwrap();
    let hook = Hook::new(&socket);
    let program = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        // The coordinator may have stopped reading.
        let _ = stream.write_all(answer.as_bytes()).await;
        line
    };
    let nic = nic();
    tokio::join!(program, hook.plug(&nic))
}

#[tokio::test]
async fn a_request_is_a_line_and_so_is_its_answer() {
    let (line, done) = asked("{\"done\":true}\n").await;
    done.unwrap();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(said["plug"]["tap"], "vt-1");
    assert_eq!(said["plug"]["mac"], "02:00:00:00:00:01");
    assert_eq!(said["plug"]["container_id"], "00".repeat(32));
    assert_eq!(said["plug"]["nic"], "mac");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_programs_words() {
    let (_, refused) = asked("{\"error\":\"no free slot\"}\n").await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the runtime could not plug the NIC 02:00:00:00:00:01 of web: no free slot"
    );
}

#[tokio::test]
async fn what_is_no_answer_is_shown() {
    for answer in ["", "yes\n", "{\"done\":false}\n", "{\"done\":true"] {
        let (_, refused) = asked(answer).await;
        let refused = refused.unwrap_err();
        assert!(
            matches!(unanswered(&refused), HookError::Answer { .. }),
            "{answer:?}: {refused}"
        );
    }
    let (_, refused) = asked(&"x".repeat(1 << 20)).await;
    assert!(refused.unwrap_err().to_string().len() < 500);
}

#[tokio::test]
async fn nobody_at_the_socket_is_said_so() {
    let refused = Hook::new("/nowhere/hook").plug(&nic()).await.unwrap_err();
    assert!(
        matches!(unanswered(&refused), HookError::Unreachable { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("/nowhere/hook"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_program_that_does_not_answer_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("hook");
    let _listener = UnixListener::bind(&socket).unwrap();
    let late = Hook::new(&socket).plug(&nic()).await.unwrap_err();
    assert!(
        matches!(unanswered(&late), HookError::Timeout { .. }),
        "{late}"
    );
}

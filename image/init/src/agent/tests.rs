use super::{Agent, HELD, NOTHING};
use crate::guest_lab::in_guest;
use nix::unistd::Pid;
use std::os::unix::net::UnixDatagram;

#[test]
fn without_an_agent_there_is_no_network_to_wait_for() {
    in_guest(
        "agent::tests::without_an_agent_there_is_no_network_to_wait_for",
        || {
            let mut agent = Agent::start().unwrap();
            assert!(agent.ready && agent.is_held());
            assert_eq!(agent.deadline(), None);
            agent.keep();
            agent.begin();
            agent.root_is_there();
            assert!(!agent.ended(Pid::from_raw(1)));
            agent.end();
            assert!(Agent::start().is_err(), "it is heard already");
        },
    );
}

#[test]
fn an_agent_is_heard_by_assignments() {
    in_guest("agent::tests::an_agent_is_heard_by_assignments", || {
        let mut agent = Agent::start().unwrap();
        // As where there is one.
        agent.ready = false;
        let socket = UnixDatagram::unbound().unwrap();
        let says = |agent: &mut Agent, text: &[u8]| {
            socket.send_to(text, "/run/notify").unwrap();
            agent.hear();
        };
        agent.hear();
        assert_eq!(agent.status, NOTHING);
        says(&mut agent, b"STATUS=held");
        assert_eq!(agent.status, HELD);
        assert!(agent.is_held() && !agent.ready);
        agent.begin();
        assert_eq!(agent.status, NOTHING, "that was before the life");
        says(
            &mut agent,
            b"MAINPID=7\nREADY=0\nnonsense\nSTATUS=a=b\n\xff\n",
        );
        assert_eq!((agent.ready, &*agent.status), (false, "a=b"));
        says(&mut agent, b"STATUS=up\nREADY=1\n");
        assert_eq!((agent.ready, &*agent.status), (true, "up"));
    });
}

use super::*;
use protocol::process::TerminalSize;
use std::collections::BTreeMap;
use vch_ledger::{ContainerId, Id};
use vch_runtime::HealthStatus;

fn told(action: ContainerAction) -> DockerEvent {
    event_of(&ContainerEvent {
        at_ns: 1_500_000_000,
        action,
        container: ContainerId::from_bytes([0xab; 32]),
        name: "web".to_owned(),
        image: "busybox".to_owned(),
        labels: [("tier".to_owned(), "front".to_owned())].into(),
    })
}

fn exec(action: ExecAction) -> ContainerAction {
    let exec = "e1".to_owned();
    ContainerAction::Exec { exec, action }
}

#[test]
fn each_action_has_dockers_word_and_attributes() {
    let args = |args: &[&str]| args.iter().map(ToString::to_string).collect::<Vec<_>>();
    let size = TerminalSize {
        rows: 24,
        columns: 80,
    };
    let ran = Duration::from_millis(2_900);
    for (action, word, own) in [
        (ContainerAction::Created, "create", &[][..]),
        (ContainerAction::Started, "start", &[]),
        (
            ContainerAction::Died { code: 137, ran },
            "die",
            &[("execDuration", "2"), ("exitCode", "137")],
        ),
        (ContainerAction::Stopped, "stop", &[]),
        (ContainerAction::Signalled(15), "kill", &[("signal", "15")]),
        (ContainerAction::OutOfMemory, "oom", &[]),
        (ContainerAction::Restarted, "restart", &[]),
        (
            ContainerAction::Renamed {
                from: "old".to_owned(),
            },
            "rename",
            &[("oldName", "/old")],
        ),
        (ContainerAction::Updated, "update", &[]),
        (ContainerAction::Removed, "destroy", &[]),
        (ContainerAction::Attached, "attach", &[]),
        (ContainerAction::Detached, "detach", &[]),
        (
            ContainerAction::Resized(size),
            "resize",
            &[("height", "24"), ("width", "80")],
        ),
        (ContainerAction::Listed, "top", &[]),
        (
            ContainerAction::HealthChanged(HealthStatus::Unhealthy),
            "health_status: unhealthy",
            &[],
        ),
        (
            exec(ExecAction::Created(args(&["sh", "-c", "ls"]))),
            "exec_create: sh -c ls",
            &[("execID", "e1")],
        ),
        (
            exec(ExecAction::Started(args(&["ls"]))),
            "exec_start: ls ",
            &[("execID", "e1")],
        ),
        (
            exec(ExecAction::Detached),
            "exec_detach",
            &[("execID", "e1")],
        ),
        (
            exec(ExecAction::Died(3)),
            "exec_die",
            &[("execID", "e1"), ("exitCode", "3")],
        ),
    ] {
        let event = told(action);
        assert_eq!(event.action, word);
        let usual = [("image", "busybox"), ("name", "web"), ("tier", "front")];
        let expected = usual.iter().chain(own);
        let expected = expected.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(event.attributes, expected.collect::<BTreeMap<_, _>>());
        assert_eq!((event.kind, event.id.len()), (EventKind::Container, 64));
        assert_eq!(event.at, Duration::from_millis(1_500));
    }
}

use super::{Blame, Failure, Outcome};
use crate::phase::Phase;

#[test]
fn a_template_is_blamed_only_for_what_comes_before_a_container_is_in_the_vm() {
    let ended = |code: &str, phases: &[&str]| Outcome {
        failure: Some(Failure {
            code: code.to_owned(),
            text: String::new(),
        }),
        phases: phases
            .iter()
            .map(|name| Phase {
                name: (*name).to_owned(),
                at_us: 0,
                uptime_us: None,
            })
            .collect(),
        ..Outcome::default()
    };
    let awake = ["launched", "qemu", "init"];
    let mounted = ["launched", "qemu", "init", "mounted"];
    let cases = [
        ("no-clone", &awake[..2], Blame::Template),
        ("boot-timeout", &awake[..2], Blame::Either),
        ("vm-died", &awake, Blame::Either),
        ("vm-not-started", &awake, Blame::Either),
        ("boot-timeout", &mounted, Blame::None),
        ("vm-died", &mounted, Blame::None),
        ("network", &mounted, Blame::None),
        ("channel", &awake, Blame::None),
    ];
    for (code, phases, blame) in cases {
        assert_eq!(ended(code, phases).blame(), blame, "{code} {phases:?}");
    }
    assert_eq!(Outcome::default().blame(), Blame::None);
}

/// The outcome that release 0.1.0 writes, and this one: each reads the other's.
const RELEASED: &str = include_str!("released.json");

#[test]
fn an_outcome_has_the_form_that_release_0_1_0_reads_and_wrote() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(super::FILE), RELEASED).unwrap();
    let read = Outcome::read(dir.path()).unwrap().unwrap();
    assert_eq!((read.code, read.out_of_memory), (137, true));
    assert_eq!(
        (read.started_ms, read.finished_ms),
        (1_700_000_000_000, 1_700_000_000_001)
    );
    assert_eq!((read.log_from.file, read.log_from.offset), (3, 70_000));
    assert_eq!(read.failure.as_ref().unwrap().code, "vm-died");
    assert_eq!(read.phases[1].uptime_us, Some(5));
    assert_eq!(serde_json::to_string(&read).unwrap(), RELEASED.trim_end());
}

#[test]
fn an_outcome_that_can_t_be_read_is_not_taken_for_none() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Outcome::read(dir.path()).unwrap(), None);
    std::fs::write(dir.path().join(super::FILE), "{").unwrap();
    assert!(Outcome::read(dir.path()).is_err());
}

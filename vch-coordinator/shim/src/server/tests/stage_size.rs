use crate::{
    outcome::{Failure, Outcome},
    phase::Phase,
    stage::Stage,
    wire::{Reply, receive, send},
};

#[tokio::test]
async fn a_stage_at_its_bounds_is_sent_and_takes_little() {
    let phase = Phase {
        name: "network".to_owned(),
        at_us: u64::MAX,
        uptime_us: Some(u64::MAX),
    };
    let failure = Failure {
        code: "vm-not-started".to_owned(),
        text: "\"".repeat(crate::foreign::MAX_TEXT),
    };
    let outcome = Outcome {
        failure: Some(failure),
        phases: vec![phase.clone(); 16],
        ..Outcome::default()
    };
    let dir = tempfile::tempdir().unwrap();
    Outcome::clear(dir.path()).unwrap();
    outcome.write(dir.path()).unwrap();
    assert_eq!(Outcome::read(dir.path()).unwrap(), Some(outcome.clone()));
    let written = dir.path().join(crate::outcome::FILE);
    let written = written.metadata().unwrap().len();
    assert!(
        written < 16 << 10,
        "it has its room on a full disk: {written}"
    );

    let stage = Reply::Stage(Stage {
        phases: vec![phase; 16],
        ended: Some(outcome),
        ..Stage::default()
    });
    let mut line = Vec::new();
    send(&mut line, &stage).await.unwrap();
    assert!(line.len() < 16 << 10, "{}", line.len());
    assert_eq!(receive(&mut &line[..]).await.unwrap(), Some(stage));
}

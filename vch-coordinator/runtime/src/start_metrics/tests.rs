use super::*;
use crate::supervisor::NOT_LAUNCHED;

fn not_started() -> RuntimeError {
    RuntimeError::NotStarted {
        code: NOT_LAUNCHED,
        reason: "no such program".to_owned(),
    }
}

#[test]
fn each_start_is_counted_once_by_what_became_of_it() {
    let starts = StartMetrics::new();
    let counted = || {
        let outcomes = [
            &starts.running,
            &starts.refused,
            &starts.failed,
            &starts.killed,
        ];
        outcomes.map(Counter::get)
    };
    let began = Instant::now();
    starts.prepared(&Ok(()));
    assert_eq!(counted(), [0, 0, 0, 0]);
    starts.launched(began, &Ok(()), false);
    assert_eq!(counted(), [1, 0, 0, 0]);
    assert_eq!(starts.seconds.get_sample_count(), 1);
    starts.prepared::<()>(&Err(not_started()));
    assert_eq!(counted(), [1, 1, 0, 0]);
    starts.launched::<()>(began, &Err(not_started()), false);
    assert_eq!(counted(), [1, 1, 1, 0]);
    starts.launched::<()>(began, &Err(not_started()), true);
    assert_eq!(counted(), [1, 1, 1, 1]);
    assert_eq!(
        starts.seconds.get_sample_count(),
        1,
        "only what runs is measured"
    );
}

use super::*;

#[test]
fn what_fails_again_is_tried_after_longer_and_longer_pauses() {
    let now = Instant::now();
    let mut retry = Retry::new();
    retry.failed(now);
    assert_eq!(retry.at, Some(now + RETRY.0));
    let mut pauses = Vec::new();
    for _ in 0..10 {
        retry.tried(now, false, false);
        pauses.push(retry.at.unwrap() - now);
    }
    assert!(pauses.is_sorted() && pauses[0] == 2 * RETRY.0, "{pauses:?}");
    assert_eq!(pauses.last(), Some(&RETRY.1));
}

#[test]
fn a_try_that_is_due_is_not_put_off_by_another_failure() {
    let now = Instant::now();
    let mut retry = Retry::new();
    retry.failed(now);
    retry.failed(now + RETRY.0 / 2);
    assert_eq!(retry.at, Some(now + RETRY.0));
}

#[test]
fn success_forgets_the_pauses_and_interference_shortens_them() {
    let now = Instant::now();
    let mut retry = Retry::new();
    for _ in 0..5 {
        retry.tried(now, false, false);
    }
    retry.tried(now, false, true);
    assert_eq!(retry.at, Some(now + RETRY.0));
    retry.tried(now, true, false);
    assert_eq!(retry, Retry::new());
}

#[tokio::test(start_paused = true)]
async fn a_try_is_due_at_its_time_and_never_without_one() {
    let mut retry = Retry::new();
    let never = tokio::time::timeout(Duration::from_secs(3600), retry.due()).await;
    assert!(never.is_err());
    let now = Instant::now();
    retry.failed(now);
    retry.due().await;
    assert_eq!(Instant::now() - now, RETRY.0);
}

#[test]
fn what_is_not_so_is_said_in_the_words_of_both() {
    let drift = Drift::default();
    drift.report(&[], vec!["runtime: no answer".to_owned()]);
    assert_eq!(drift.messages(), ["runtime: no answer"]);
    drift.report(&[], Vec::new());
    assert_eq!(drift.messages(), [""; 0]);
}

#[test]
fn what_is_not_so_is_counted_by_part_until_it_is() {
    let drift = Drift::default();
    let registry = vch_metrics::Registry::default();
    drift.register_metrics(&registry).unwrap();
    let count = |part: &str| {
        let text = registry.text().unwrap();
        let sample = format!("vch_drift{{part=\"{part}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&sample));
        value.unwrap_or_else(|| panic!("{part}: {text}")).to_owned()
    };
    let failed = || {
        let cid = 7;
        DataplaneError::from(vch_network::tether::ChannelError::NoNativeListener { cid })
    };
    drift.report(&[failed(), failed()], vec!["runtime: no answer".to_owned()]);
    let counted = ["segments", "nat", "dns", "tether", "runtime"].map(count);
    assert_eq!(counted, ["0", "0", "0", "2", "1"]);
    drift.report(&[], Vec::new());
    let counted = ["segments", "nat", "dns", "tether", "runtime"].map(count);
    assert_eq!(counted, ["0"; 5]);
}

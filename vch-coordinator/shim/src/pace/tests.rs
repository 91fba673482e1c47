use super::Pace;
use std::time::{Duration, Instant};

#[test]
fn a_burst_is_free_and_what_comes_after_it_waits() {
    let now = Instant::now();
    let mut pace = Pace::new(100, now);
    assert_eq!(pace.spend(100, now), Duration::ZERO);
    assert_eq!(pace.spend(1, now), Duration::from_millis(10));
    assert_eq!(pace.spend(9, now), Duration::from_millis(100));
}

#[test]
fn what_was_spent_is_paid_for_by_time_and_no_more_than_a_burst_is_saved() {
    let now = Instant::now();
    let mut pace = Pace::new(100, now);
    assert_eq!(pace.spend(150, now), Duration::from_millis(500));
    let later = now + Duration::from_millis(500);
    assert_eq!(pace.spend(0, later), Duration::ZERO);
    let hours_later = later + Duration::from_secs(7200);
    assert_eq!(pace.spend(100, hours_later), Duration::ZERO);
    assert_eq!(pace.spend(1, hours_later), Duration::from_millis(10));
}

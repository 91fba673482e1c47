use super::*;

#[test]
fn a_flood_is_a_few_lines_and_their_number() {
    let budget = LogBudget::new("strangers", 20, Duration::from_secs(10));
    let now = Instant::now();
    let written = (0..500).filter(|_| budget.take(now).is_some()).count();
    assert_eq!(written, 20);
    assert_eq!(budget.take(now + Duration::from_secs(10)), Some(480));
    assert_eq!(budget.take(now + Duration::from_secs(10)), None);
    assert_eq!(budget.take(now + Duration::from_secs(20)), Some(1));
}

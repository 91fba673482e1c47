use super::{Correction, Follower};

const NOON: u64 = 1_800_000_000_000;

#[test]
fn a_clock_that_agrees_is_left_alone() {
    let mut follower = Follower::default();
    for late in [0, 10, 50] {
        assert_eq!(follower.observe(NOON, NOON + late), Correction::None);
        assert_eq!(follower.observe(NOON + late, NOON), Correction::None);
    }
}

#[test]
fn a_clock_that_is_behind_is_set_at_once() {
    let mut follower = Follower::default();
    assert_eq!(follower.observe(NOON, NOON - 400), Correction::Slew(400));
    assert_eq!(follower.observe(NOON, NOON - 501), Correction::Step(501));
    let year = 365 * 86_400_000;
    let expected = Correction::Step(i64::try_from(year).unwrap());
    assert_eq!(follower.observe(NOON, NOON - year), expected);
}

#[test]
fn one_message_that_came_late_sets_no_clock_back() {
    let mut follower = Follower::default();
    assert_eq!(follower.observe(NOON, NOON + 9_000), Correction::None);
    assert_eq!(follower.observe(NOON, NOON + 5), Correction::None);
    assert_eq!(follower.observe(NOON, NOON + 9_000), Correction::None);
}

#[test]
fn a_clock_that_is_ahead_is_set_back_by_the_less_delayed_of_two_messages() {
    let mut follower = Follower::default();
    assert_eq!(follower.observe(NOON, NOON + 9_000), Correction::None);
    let back = follower.observe(NOON + 10_000, NOON + 10_000 + 7_000);
    assert_eq!(back, Correction::Step(-7_000));
    // What was heard before the step counts no more.
    assert_eq!(follower.observe(NOON, NOON + 200), Correction::None);
    assert_eq!(follower.observe(NOON, NOON + 300), Correction::Slew(-200));
}

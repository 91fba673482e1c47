//! The guest's clock beside the host's time, as the shim sends it: pure.
//!
//! A message takes its time: what it says is behind the host's clock, never ahead of it. A guest that is behind what it
//! hears is behind for certain; one that is ahead may only have heard late, and is set back when two messages in a row
//! say so, by what the less delayed of them says.

/// Up to here the clocks agree: under emulation a message takes some milliseconds.
const AGREE_MS: i64 = 50;
/// Beyond it the clock is set; up to it it is slewed, so that it never runs backwards. NTP's step threshold is 128 ms.
const STEP_MS: i64 = 500;

/// What to do with the guest's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// It is right.
    None,
    /// Let it gain so many milliseconds, or lose them.
    Slew(i64),
    /// Set it this many milliseconds forward, or back.
    Step(i64),
}

/// What was heard before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    /// How far the guest was ahead by the last message.
    ahead: Option<i64>,
}

impl Follower {
    /// The host's time has come, and the guest's clock says something.
    pub fn observe(&mut self, host_ms: u64, guest_ms: u64) -> Correction {
        let signed = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let offset = signed(host_ms).saturating_sub(signed(guest_ms));
        let before = self.ahead.take();
        if (-AGREE_MS..=AGREE_MS).contains(&offset) {
            return Correction::None;
        }
        if offset > 0 {
            return by(offset);
        }
        match before {
            Some(before) => by(before.max(offset)),
            None => {
                self.ahead = Some(offset);
                Correction::None
            }
        }
    }
}

fn by(offset: i64) -> Correction {
    if offset.unsigned_abs() > STEP_MS.unsigned_abs() {
        Correction::Step(offset)
    } else {
        Correction::Slew(offset)
    }
}

#[cfg(test)]
mod tests {
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
}

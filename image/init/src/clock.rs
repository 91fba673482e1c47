//! Compares the guest's clock with the host's time, as the shim sends it: pure.
//!
//! A message takes time to arrive: the time in it is behind the host's clock, never ahead of it. A guest whose clock
//! is behind the message is certainly behind; one whose clock is ahead may only have received the message late. It is
//! set back if two messages in a row say so, by the smaller of both differences.

/// Up to here the clocks agree: under emulation a message takes some milliseconds.
const AGREE_MS: i64 = 50;
/// Beyond it the clock is set; up to it it is slewed, so that it never runs backwards. NTP's step threshold is 128 ms.
const STEP_MS: i64 = 500;

/// A correction of the guest's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The clock is right.
    None,
    /// The clock has to gain this many milliseconds, or to lose them.
    Slew(i64),
    /// The clock has to be set this many milliseconds forward, or back.
    Step(i64),
}

/// The guest's clock as the last message left it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    /// How far the guest was ahead by the last message.
    ahead: Option<i64>,
}

impl Follower {
    /// Compares the host's time, which has just arrived, with the guest's; returns the correction of the guest's
    /// clock.
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
mod tests;

//! Compares the guest's clock with the host's time, as the shim sends it. Does no I/O.
//!
//! A message takes time to arrive: the time in it is behind the host's clock, never ahead of it. A guest whose clock is
//! behind the message is certainly behind. A guest whose clock is ahead may only have received the message late: its
//! clock is set back only if two messages in a row say so, by the smaller of both differences.

/// Up to here the clocks agree: under emulation a message takes some milliseconds.
const AGREE_MS: i64 = 50;
/// Beyond it the clock is set; up to it it is slewed, so that it never runs backwards. NTP's step threshold is 128 ms.
const STEP_MS: i64 = 500;

/// A correction of the guest's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// The clock needs no correction.
    None,
    /// The clock must gain this many milliseconds by running faster; a negative number means that it must lose them.
    Slew(i64),
    /// The clock must be set forward by this many milliseconds; a negative number means back.
    Step(i64),
}

/// Compares the guest's clock with each message, and remembers what the last message said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Follower {
    /// How far the guest was ahead by the last message.
    ahead: Option<i64>,
}

impl Follower {
    /// Compares the host's time of a message that has just arrived with the guest's time (both in milliseconds since
    /// the year 1970), and returns the correction of the guest's clock.
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

//! How much an endpoint may send and receive.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A limit on the traffic of an endpoint, in bits of Ethernet frames per second: [`Rate::MIN`] to [`Rate::MAX`]. It
/// applies separately to what the endpoint receives and to what it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rate(u64);

/// The error of a text that is not a rate, or of a rate that is out of bounds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// The text, which this contains, is not a number with a unit of tc(8).
    #[error(
        "'{0}' is no rate: write a number and bit, kbit, mbit, gbit (a second) or bps, kbps, mbps, gbps (bytes a second), as in 50mbit"
    )]
    Unreadable(String),
    /// The rate, which this contains as text, is lower than [`Rate::MIN`] or higher than [`Rate::MAX`].
    #[error("rate {0} is not possible: use 128kbit to 100gbit")]
    OutOfBounds(String),
}

/// The units of tc(8), in bits.
const UNITS: [(&str, u64); 18] = [
    ("bit", 1),
    ("kbit", 1_000),
    ("mbit", 1_000_000),
    ("gbit", 1_000_000_000),
    ("tbit", 1_000_000_000_000),
    ("kibit", 1 << 10),
    ("mibit", 1 << 20),
    ("gibit", 1 << 30),
    ("tibit", 1 << 40),
    ("bps", 8),
    ("kbps", 8_000),
    ("mbps", 8_000_000),
    ("gbps", 8_000_000_000),
    ("tbps", 8_000_000_000_000),
    ("kibps", 8 << 10),
    ("mibps", 8 << 20),
    ("gibps", 8 << 30),
    ("tibps", 8 << 40),
];

/// Digits behind the point that are read: more make no difference of a bit.
const DECIMALS: usize = 12;

impl Rate {
    /// The lowest rate, in bits per second. The kernel's token bucket holds at most what the rate gives in 4.29 s, and
    /// the largest frame must fit it: 65,535 bytes and headers, which needs 122 kbit/s.
    pub const MIN: u64 = 128_000;
    /// The highest rate, in bits per second: that of the fastest links in common use.
    pub const MAX: u64 = 100_000_000_000;

    /// Returns the rate in bits per second.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Returns the rate in whole bytes per second, rounded down.
    pub fn bytes(self) -> u64 {
        self.0 / 8
    }
}

impl TryFrom<u64> for Rate {
    type Error = RateError;

    /// Makes a rate of so many bits per second.
    ///
    /// # Errors
    /// Returns [`RateError::OutOfBounds`] if the number is lower than [`Rate::MIN`] or higher than [`Rate::MAX`].
    fn try_from(bits: u64) -> Result<Self, RateError> {
        if !(Self::MIN..=Self::MAX).contains(&bits) {
            return Err(RateError::OutOfBounds(format!("{bits}bit")));
        }
        Ok(Self(bits))
    }
}

impl From<Rate> for u64 {
    fn from(rate: Rate) -> Self {
        rate.0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// Parses a rate as tc(8) does: `50mbit`, `1.5gbit`, `500kbps`. A number without a unit is in bits per second.
    ///
    /// # Errors
    /// Returns [`RateError::Unreadable`] if the text is not a number with a unit of tc(8), and
    /// [`RateError::OutOfBounds`] if the rate is lower than [`Rate::MIN`] or higher than [`Rate::MAX`].
    fn from_str(text: &str) -> Result<Self, RateError> {
        let shown = || text.chars().take(40).collect::<String>();
        let unreadable = || RateError::Unreadable(shown());
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let unit = match unit {
            "" => 1,
            unit => {
                let mut units = UNITS.iter();
                let known = units.find(|(name, _)| name.eq_ignore_ascii_case(unit));
                known.ok_or_else(unreadable)?.1
            }
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(fraction) || number.ends_with('.') {
            return Err(unreadable());
        }
        let out_of_bounds = || RateError::OutOfBounds(shown());
        let whole: u128 = whole.parse().map_err(|_| out_of_bounds())?;
        let unit = u128::from(unit);
        let mut bits = whole.checked_mul(unit).ok_or_else(out_of_bounds)?;
        let mut part = unit;
        for digit in fraction.bytes().take(DECIMALS) {
            // Each digit is a tenth of what the one before it is; what is less than a bit is left out at the end.
            part *= 10;
            bits = bits.checked_mul(10).ok_or_else(out_of_bounds)?;
            let tenths = u128::from(digit - b'0') * unit;
            bits = bits.checked_add(tenths).ok_or_else(out_of_bounds)?;
        }
        bits /= part / unit;
        let bits = u64::try_from(bits).map_err(|_| out_of_bounds())?;
        Self::try_from(bits).map_err(|_| out_of_bounds())
    }
}

impl fmt::Display for Rate {
    /// Writes the rate in the largest decimal unit in which it is a whole number, as `50mbit`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [
            (1_000_000_000, "gbit"),
            (1_000_000, "mbit"),
            (1_000, "kbit"),
        ];
        let mut fitting = units
            .iter()
            .filter(|(unit, _)| self.0.is_multiple_of(*unit));
        match fitting.next() {
            Some((unit, name)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}bit", self.0),
        }
    }
}

#[cfg(test)]
mod tests;

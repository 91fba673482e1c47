//! How much an endpoint may send and receive.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// How much an endpoint may receive, and how much it may send, each by itself: bits of Ethernet frames a second,
/// [`Rate::MIN`] to [`Rate::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Rate(u64);

/// A text that is no rate, or a rate that no endpoint can have.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RateError {
    /// It is not a number with a unit.
    #[error(
        "'{0}' is no rate: write a number and bit, kbit, mbit, gbit (a second) or bps, kbps, mbps, gbps (bytes a second), as in 50mbit"
    )]
    Unreadable(String),
    /// It is out of bounds.
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
    /// The kernel's token bucket holds 4.29 s of a rate at most, and the largest frame must fit: 65,535 bytes and its
    /// headers, at 122 kbit/s.
    pub const MIN: u64 = 128_000;
    /// The rate of the fastest links in common use.
    pub const MAX: u64 = 100_000_000_000;

    /// Returns the bits a second.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Returns the whole bytes a second.
    pub fn bytes(self) -> u64 {
        self.0 / 8
    }
}

impl TryFrom<u64> for Rate {
    type Error = RateError;

    /// # Errors
    /// Returns [`RateError::OutOfBounds`] if no endpoint can have a rate of so many bits a second.
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

    /// Reads a rate as tc(8) does: `50mbit`, `1.5gbit`, `500kbps`; without a unit it is bits a second.
    ///
    /// # Errors
    /// Returns [`RateError`] if it can't be read, or no endpoint can have it.
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
    /// In the largest decimal unit that needs no point.
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

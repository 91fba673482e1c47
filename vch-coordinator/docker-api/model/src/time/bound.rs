//! The times by which clients bound what they ask for: `since` and `until`. All are read alike; what is no time is
//! refused in the words that dockerd has for it in each request.

use super::moment;
use crate::DockerError;
use std::time::Duration;

/// Characters of a text that an error repeats.
const SHOWN: usize = 80;

/// Where a client names a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeBound {
    /// The filter `until` of a list of images.
    List,
    /// The filter `until` of a prune of containers or images.
    Prune,
    /// The filter `until` of a prune of networks.
    NetworkPrune,
    /// A parameter of events, by its name.
    Events(&'static str),
    /// A parameter of logs, by its name: 0 is no bound.
    Logs(&'static str),
}

impl TimeBound {
    /// Returns the time since 1970 that a text names, if there is one: seconds, an age as of `now`, or a date.
    ///
    /// # Errors
    /// Returns 400 if the text names no time.
    pub fn read(self, text: Option<&str>, now: Duration) -> Result<Option<Duration>, DockerError> {
        let unbounded = |text: &&str| matches!(self, Self::Logs(_)) && *text == "0";
        let Some(text) = text.filter(|text| !unbounded(text)) else {
            return Ok(None);
        };
        let read = moment(text, now);
        read.map(Some).ok_or_else(|| self.refusal(text))
    }

    fn refusal(self, text: &str) -> DockerError {
        let shown: String = text.chars().take(SHOWN).collect();
        DockerError::invalid(match self {
            Self::List => format!("invalid filter 'until={text}'"),
            Self::Prune => format!("invalid filter 'until={text}': give a time or an age"),
            Self::NetworkPrune => {
                format!("failed to parse value as time or duration: \"{shown}\"")
            }
            Self::Events(name) => format!(
                "failed to parse value for \"{name}\": {shown}: write seconds since 1970, a duration as 10m or a date"
            ),
            Self::Logs(name) => format!(
                "invalid value for \"{name}\": {shown}: give seconds since 1970, or an RFC 3339 time"
            ),
        })
    }
}

#[cfg(test)]
mod tests;

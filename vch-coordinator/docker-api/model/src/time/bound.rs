//! The times `since` and `until` by which clients limit requests. All are parsed in the same way; the error message
//! is the one that dockerd has for each kind of request.

use super::moment;
use crate::DockerError;
use std::time::Duration;

/// The maximum number of characters of a text that an error repeats.
const SHOWN: usize = 80;

/// The kind of request that a time is from. Only the error message differs, and the meaning of `0` in
/// [`TimeBound::Logs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeBound {
    /// The filter `until` of a list of images.
    List,
    /// The filter `until` of a prune of containers or images.
    Prune,
    /// The filter `until` of a prune of networks.
    NetworkPrune,
    /// The parameter with this name, `since` or `until`, of a request for events.
    Events(&'static str),
    /// The parameter with this name, `since` or `until`, of a request for a container's log. The text `0` means no
    /// limit.
    Logs(&'static str),
}

impl TimeBound {
    /// Parses a time as [`moment`] does, and returns it as the time since 1970. Returns `None` if `text` is `None`,
    /// or means no limit.
    ///
    /// # Errors
    /// Returns 400 with the message of this kind of request if the text is not a time.
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

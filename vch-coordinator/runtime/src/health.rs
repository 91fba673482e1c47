//! A container's health, derived from the results of its health checks.

use std::collections::VecDeque;

/// How many results are kept, as in Docker.
const KEPT: usize = 5;

/// The health of a running container that has a health check (`HEALTHCHECK` of an image, `docker
/// run --health-cmd`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The status that follows from the results so far.
    pub status: HealthStatus,
    /// The number of failed checks since the last success, or since the container's start. Failures in the start period
    /// that do not count are left out.
    pub failing: i64,
    /// The results of the last checks, at most 5, oldest first.
    pub log: VecDeque<HealthResult>,
}

/// The health status of a container, as `docker ps` shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// No check has succeeded yet, and fewer checks than the limit (`retries`) have failed.
    #[default]
    Starting,
    /// A check has succeeded, and fewer checks than the limit (`retries`) have failed since.
    Healthy,
    /// As many checks in a row as the limit (`retries`), or more, have failed.
    Unhealthy,
}

impl HealthStatus {
    /// Returns Docker's word for the status: `starting`, `healthy` or `unhealthy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The result of one run of a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthResult {
    /// When the check began, in nanoseconds since 1970 (UTC).
    pub start_ns: u128,
    /// When the check ended, in nanoseconds since 1970 (UTC).
    pub end_ns: u128,
    /// The exit code of the check's command: 0 for success, else a failure; -1 if the check could not be run or took
    /// too long.
    pub code: i64,
    /// The first 4,096 bytes of the check's output and error output; or the reason for which the
    /// check could not be run or was ended.
    pub output: String,
}

impl Health {
    /// Adds the result of a check, and returns whether the status changed. `retries` is the number of failures in a row
    /// that make the container unhealthy, at least 1: the caller has replaced Docker's 0 by the default. `starting` says whether the container is in its start period: a failure then
    /// does not count while the status is [`HealthStatus::Starting`].
    pub fn observe(&mut self, result: HealthResult, retries: i64, starting: bool) -> bool {
        let before = self.status;
        if result.code == 0 {
            self.failing = 0;
            self.status = HealthStatus::Healthy;
        } else if !(starting && self.status == HealthStatus::Starting) {
            self.failing = self.failing.saturating_add(1);
            if self.failing >= retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        if self.log.len() == KEPT {
            self.log.pop_front();
        }
        self.log.push_back(result);
        before != self.status
    }
}

#[cfg(test)]
mod tests;

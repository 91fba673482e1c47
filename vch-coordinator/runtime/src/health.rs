//! A container's health, derived from the results of its health checks.

use std::collections::VecDeque;

/// How many results are kept, as in Docker.
const KEPT: usize = 5;

/// The health of a container with a health check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The status.
    pub status: HealthStatus,
    /// The number of failures in a row.
    pub failing: i64,
    /// The last results, oldest first.
    pub log: VecDeque<HealthResult>,
}

/// The health status of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// No check has succeeded yet, and not too many have failed.
    #[default]
    Starting,
    /// The last check succeeded, or fewer than the limit have failed since.
    Healthy,
    /// Too many checks in a row have failed.
    Unhealthy,
}

impl HealthStatus {
    /// Returns Docker's word for the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthResult {
    /// When the check began, in nanoseconds since 1970.
    pub start_ns: u128,
    /// When the check ended, in nanoseconds since 1970.
    pub end_ns: u128,
    /// The exit code: 0 for success; -1 if the check could not be run or took too long.
    pub code: i64,
    /// The output of the check.
    pub output: String,
}

impl Health {
    /// Adds a result and returns whether the status changed. While `starting` is true, failures do
    /// not count.
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

//! How a container with a health check is, by the results of its checks.

use std::collections::VecDeque;

/// Docker's: results that are kept.
const KEPT: usize = 5;

/// How a container with a health check is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// How it is.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing: i64,
    /// The last results, the oldest first.
    pub log: VecDeque<HealthResult>,
}

/// How a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HealthStatus {
    /// It has not succeeded yet, nor failed too often.
    #[default]
    Starting,
    /// The last check succeeded, or not enough failed since.
    Healthy,
    /// Too many failed in a row.
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthResult {
    /// When it began: nanoseconds since 1970.
    pub start_ns: u128,
    /// When it ended.
    pub end_ns: u128,
    /// 0 for one that succeeded; -1 for one that could not be run, or took too long.
    pub code: i64,
    /// What it wrote.
    pub output: String,
}

impl Health {
    /// Takes a result in; `starting` while failures do not count. Whether the status is another one.
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

//! The `filters` of lists, prunes and events: names, each with its values.

use crate::{
    DockerError,
    time::{self, TimeBound},
};
use regex::RegexBuilder;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Most filters of a request, and most values of one.
const MAX_FILTERS: usize = 64;
/// Bytes that a value's pattern may need once it is compiled.
const MAX_PATTERN: usize = 1 << 18;

/// Filters by name. Different names must all agree, of a name's values one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// As it was before API 1.22, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Reads `{"name":{"value":true}}` or `{"name":["value"]}`; without any there are none.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(json: Option<&str>) -> Result<Self, DockerError> {
        let Some(json) = json else {
            return Ok(Self::default());
        };
        let invalid = |_| DockerError::invalid("invalid filter");
        let parsed: BTreeMap<String, Values> = serde_json::from_str(json).map_err(invalid)?;
        let mut filters = BTreeMap::new();
        for (name, values) in parsed {
            let values: BTreeSet<String> = match values {
                Values::Set(values) => values.into_keys().collect(),
                Values::List(values) => values.into_iter().collect(),
            };
            if values.len() > MAX_FILTERS || filters.len() >= MAX_FILTERS {
                let message = format!("more than {MAX_FILTERS} filters: give fewer");
                return Err(DockerError::invalid(message));
            }
            filters.insert(name, values);
        }
        Ok(Self(filters))
    }

    /// Returns the time of the filter `until`: a time, or an age as of now.
    ///
    /// # Errors
    /// Returns 400 if it is no time, or if there are several for networks.
    pub fn until(&self, bound: TimeBound) -> Result<Option<Duration>, DockerError> {
        let mut values = self.values("until");
        let text = values.next();
        if bound == TimeBound::NetworkPrune && values.next().is_some() {
            return Err(DockerError::invalid("more than one until filter specified"));
        }
        bound.read(text, time::now())
    }

    /// # Errors
    /// The first name that is none of these.
    pub fn only(&self, known: &[&str]) -> Result<(), DockerError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let shown: String = name.chars().take(80).collect();
                Err(DockerError::invalid(format!("invalid filter '{shown}'")))
            }
        }
    }

    /// The values of a name; none where it is not there.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Whether there is a value of the name.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether one of the values is the text, or there is none.
    pub fn exact(&self, name: &str, text: &str) -> bool {
        !self.has(name) || self.values(name).any(|value| value == text)
    }

    /// Whether one of the values is the text or a pattern that is found in it, or there is none.
    pub fn pattern(&self, name: &str, text: &str) -> bool {
        self.exact(name, text) || self.values(name).any(|value| found(value, text))
    }

    /// Whether the text begins with one of the values, or there is none.
    pub fn prefix(&self, name: &str, text: &str) -> bool {
        !self.has(name) || self.values(name).any(|value| text.starts_with(value))
    }

    /// Whether each value is there, as `key` or as `key=value`.
    pub fn labels(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.values(name)
            .all(|wanted| match wanted.split_once('=') {
                Some((key, value)) => labels.get(key).is_some_and(|label| label == value),
                None => labels.contains_key(wanted),
            })
    }

    /// What `label` and `label!` of a prune say together.
    pub fn prunes(&self, labels: &BTreeMap<String, String>) -> bool {
        let kept = self.has("label!") && self.labels("label!", labels);
        self.labels("label", labels) && !kept
    }

    /// What dockerd says of values that a filter can't have.
    pub fn invalid(&self, name: &str) -> DockerError {
        let values: Vec<&str> = self.values(name).collect();
        DockerError::invalid(format!("invalid filter '{name}=[{}]'", values.join(" ")))
    }

    /// A filter that is a switch; `None` where it is not there.
    ///
    /// # Errors
    /// It has several values, or another one.
    pub fn switch(&self, name: &str) -> Result<Option<bool>, DockerError> {
        let mut values = self.values(name);
        let (Some(value), more) = (values.next(), values.next()) else {
            return Ok(None);
        };
        if more.is_some() {
            return Err(DockerError::invalid(format!(
                "got more than one value for filter key \"{name}\""
            )));
        }
        match value {
            "1" | "true" => Ok(Some(true)),
            "0" | "false" => Ok(Some(false)),
            _ => Err(DockerError::invalid(format!(
                "invalid value for filter '{name}', must be \"true\" (or \"1\"), or \"false\" (or \"0\")"
            ))),
        }
    }
}

/// A pattern of RE2, which this crate's are but for names of classes; one that is none matches
/// nothing, as in dockerd. Its cost is linear in the text.
fn found(pattern: &str, text: &str) -> bool {
    let pattern = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    pattern.is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests;

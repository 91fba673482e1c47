//! The query parameter `filters` of lists, prunes and events: accepted values by the name of a filter.

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

/// The maximum number of filters in a request, and of values of one filter.
const MAX_FILTERS: usize = 64;
/// The maximum size in bytes of a compiled pattern.
const MAX_PATTERN: usize = 1 << 18;

/// The filters of a request: for each filter's name a set of values. An object is selected if it matches each
/// filter, and it matches a filter if it matches at least one of the filter's values; a filter for labels requires
/// all of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

/// The values of a filter, in the present form and in the form before API 1.22.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Parses the filters from `{"name":{"value":true}}`, whose truth values are not read, or from
    /// `{"name":["value"]}`. Returns no filters for `None`.
    ///
    /// # Errors
    /// Returns 400 if the text has another form, or if it has more than 64 filters or 64 values of one filter.
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

    /// Returns the time of the filter `until` as the time since 1970; `None` if the request has no such filter. A value
    /// is a time, or an age before the present. Of several values the first in alphabetical order counts.
    ///
    /// # Errors
    /// Returns 400 with the message of the request that `bound` names if the value is not a time, or if a prune of
    /// networks has several values.
    pub fn until(&self, bound: TimeBound) -> Result<Option<Duration>, DockerError> {
        let mut values = self.values("until");
        let text = values.next();
        if bound == TimeBound::NetworkPrune && values.next().is_some() {
            return Err(DockerError::invalid("more than one until filter specified"));
        }
        bound.read(text, time::now())
    }

    /// Checks that the name of each of the request's filters is among the `known` ones.
    ///
    /// # Errors
    /// Returns 400 with the name of the first unknown filter.
    pub fn only(&self, known: &[&str]) -> Result<(), DockerError> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let shown: String = name.chars().take(80).collect();
                Err(DockerError::invalid(format!("invalid filter '{shown}'")))
            }
        }
    }

    /// Returns the values of a filter in alphabetical order; no values if the request does not have the filter.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }

    /// Returns whether the request has the filter with at least one value. A filter without values is the same as a
    /// missing one.
    pub fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Returns whether a value of the filter `name` equals the text. Also returns true if the request does not have
    /// the filter.
    pub fn exact(&self, name: &str, text: &str) -> bool {
        !self.has(name) || self.values(name).any(|value| value == text)
    }

    /// Returns whether a value of the filter `name` equals the text, or is a regular expression that matches a part
    /// of it. Also returns true if the request does not have the filter.
    pub fn pattern(&self, name: &str, text: &str) -> bool {
        self.exact(name, text) || self.values(name).any(|value| found(value, text))
    }

    /// Returns whether the text begins with a value of the filter `name`. Also returns true if the request does not
    /// have the filter.
    pub fn prefix(&self, name: &str, text: &str) -> bool {
        !self.has(name) || self.values(name).any(|value| text.starts_with(value))
    }

    /// Returns whether an object's labels match all values of the filter `name`: each value is a `key` that the
    /// object has, or a `key=value`. Also returns true if the request does not have the filter.
    pub fn labels(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.values(name)
            .all(|wanted| match wanted.split_once('=') {
                Some((key, value)) => labels.get(key).is_some_and(|label| label == value),
                None => labels.contains_key(wanted),
            })
    }

    /// Returns whether a prune removes an object with these labels: they match all values of the filter `label`, and
    /// not all values of the filter `label!`. A filter that the request does not have excludes nothing.
    pub fn prunes(&self, labels: &BTreeMap<String, String>) -> bool {
        let kept = self.has("label!") && self.labels("label!", labels);
        self.labels("label", labels) && !kept
    }

    /// Returns dockerd's error with status 400 for a filter whose values are not valid. The message lists the values of
    /// the filter `name`.
    pub fn invalid(&self, name: &str) -> DockerError {
        let values: Vec<&str> = self.values(name).collect();
        DockerError::invalid(format!("invalid filter '{name}=[{}]'", values.join(" ")))
    }

    /// Returns the value of a filter that is true or false; `None` if the request does not have the filter, or has it
    /// without values.
    ///
    /// # Errors
    /// Returns 400 if the filter has several values, or one other than `1`, `true`, `0` or `false`.
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

/// Returns whether a pattern of RE2 matches a part of the text. This crate's syntax is the same
/// except for names of classes. As in dockerd, an invalid pattern matches nothing. The cost is
/// linear in the length of the text.
fn found(pattern: &str, text: &str) -> bool {
    let pattern = RegexBuilder::new(pattern).size_limit(MAX_PATTERN).build();
    pattern.is_ok_and(|pattern| pattern.is_match(text))
}

#[cfg(test)]
mod tests;

//! Whether dockerd ignores a field: with it and without it, its answer and what inspect shows then are the same.

use super::{CONTAINER, Named, World, base, set};
use crate::answer::{Answer, Kind};
use crate::list::{Field, Location, Operation};
use serde_json::Value;

/// What differs between two containers of one making.
const OWN: [&str; 9] = [
    "Id",
    "Created",
    "EndpointID",
    "NetworkID",
    "MacAddress",
    "SandboxID",
    "SandboxKey",
    "GraphDriver",
    "Hostname",
];

impl World<'_> {
    /// Returns why a field that a VCH ignores, as dockerd does, is not ignored by this dockerd; `None` where it is, or
    /// where the reason is one of the VCH's own, or of control groups, whose version is another one here.
    pub fn not_ignored(
        &self,
        operation: &Operation,
        field: &Field,
        answer: &Answer,
    ) -> Option<String> {
        let Kind::Ignored { status: None, why } = &answer.kind else {
            return None;
        };
        let shown_of_a_container = operation.path == "/containers/create"
            || operation.path.ends_with("/update")
            || operation.path.ends_with("/connect");
        if field.location != Location::Body || !shown_of_a_container || why.contains("cgroups") {
            return None;
        }
        let without = self.effect(operation, &[]);
        let with = self.effect(operation, &answer.sent);
        // Until the start dockerd shows some of them as they were sent, whether they do something or not.
        let told: Vec<&str> = answer
            .sent
            .iter()
            .filter_map(|(name, _)| name.rsplit('.').next())
            .collect();
        let [without, with] = [without, with].map(|(status, shown)| (status, plain(&shown, &told)));
        (without != with).then(|| {
            format!(
                "{}: dockerd does not ignore it: {without:?}, with it {with:?}",
                operation.row(field)
            )
        })
    }

    /// Whether a field that has an effect is seen to have one: labels, of a container that is made.
    pub fn sees_effects(&self, create: &Operation) -> bool {
        let labelled = [("Labels".to_owned(), serde_json::json!({ "a": "b" }))];
        let [without, with] = [&[][..], &labelled[..]].map(|fields| self.effect(create, fields));
        let [without, with, again] =
            [without.1, with.1, self.effect(create, &[]).1].map(|shown| plain(&shown, &[]));
        without != with && without == again
    }

    /// The status of an operation with these fields, and what inspect shows afterwards.
    fn effect(&self, operation: &Operation, fields: &[(String, Value)]) -> (u16, Value) {
        let made = self.make(operation);
        let named = Named {
            container: CONTAINER,
            exec: String::new(),
        };
        let mut body = base(operation).unwrap();
        for (name, value) in fields {
            set(&mut body, name.trim_start_matches('.'), value);
        }
        let target = named.target(operation);
        let heard = self.send(&operation.method, &target, Some(&body));
        let shown = self.send("GET", &format!("/containers/{CONTAINER}/json"), None);
        self.unmake(&made);
        (heard.status, shown.body)
    }
}

/// Returns the output of inspect without values that are a container's own, and without keys that
/// are told.
fn plain(shown: &Value, told: &[&str]) -> Value {
    match shown {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| {
                let own = OWN.contains(&key.as_str()) || key.ends_with("Path");
                !own && !told.contains(&key.as_str()) && !value.is_null()
            });
            let kept = kept.map(|(key, value)| (key.clone(), plain(value, told)));
            Value::Object(kept.collect())
        }
        Value::Array(all) => all.iter().map(|value| plain(value, told)).collect(),
        other => other.clone(),
    }
}

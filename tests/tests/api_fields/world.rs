//! A VCH with an image, at which fields are sent.

mod ignored;

use crate::{
    answer::{Answer, Group, Kind},
    list::{Field, Location, Operation},
    live,
};
use lab::http::{self, Answer as Heard};
use lab::{Coordinator, Lab, RootFs, Topology};
use serde_json::{Map, Value, json};
use std::{fmt::Write, fs, path::PathBuf};

/// The newest version that a VCH speaks.
const API: &str = "/v1.51";
/// The newest one of the dockerd of Debian 13.
const PEERS_API: &str = "/v1.45";
const IMAGE: &str = "fields:latest";
/// Another name of the same, to be removed.
const OTHER_IMAGE: &str = "other:latest";
const CONTAINER: &str = "asked";
const RENAMED: &str = "renamed";
const NETWORK: &str = "asked";

pub struct World<'a> {
    pub socket: PathBuf,
    /// What begins each path.
    api: &'static str,
    /// Ends with it; none where a dockerd is asked.
    _vch: Option<Coordinator<'a>>,
}

/// What is made for a request and removed behind it.
enum Made {
    Container,
    Network,
    Both,
    Nothing,
}

impl<'a> World<'a> {
    pub fn new(lab: &Lab, topology: &'a Topology) -> Self {
        let socket = lab.path("docker.sock");
        let tables = [
            Coordinator::docker_table(&socket),
            Coordinator::runtime_table().unwrap(),
        ];
        let vch = Coordinator::start_with(lab, &topology.vch, &tables.concat()).unwrap();
        let world = Self {
            socket,
            api: API,
            _vch: Some(vch),
        };
        world.import(lab);
        world.make_live(IMAGE);
        world
    }

    /// A real dockerd in its place.
    pub fn of_dockerd(lab: &Lab, socket: PathBuf) -> Self {
        let world = Self {
            socket,
            api: PEERS_API,
            _vch: None,
        };
        world.import(lab);
        world
    }

    fn import(&self, lab: &Lab) {
        let tar = RootFs::busybox(lab, "fields").unwrap().tar().unwrap();
        let tar = fs::read(tar).unwrap();
        let query = "fromSrc=-&repo=fields&tag=latest&changes=CMD%20%5B%22sh%22%5D";
        let request = self.request("POST", &format!("/images/create?{query}"));
        let body = Some(("application/x-tar", &*tar));
        let answer = http::send(&self.socket, &request, &[], body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let found = self.send("GET", &format!("/images/{IMAGE}/json"), None);
        assert_eq!(found.status, 200, "{found:?}");
    }

    /// A request's first line without its version of HTTP.
    pub fn request(&self, method: &str, target: &str) -> String {
        format!("{method} {}{target}", self.api)
    }

    pub fn send(&self, method: &str, target: &str, body: Option<&Value>) -> Heard {
        http::ask(&self.socket, method, &format!("{}{target}", self.api), body).unwrap()
    }

    /// Sends one value of a field; what is wrong with its answer.
    pub fn asked(&self, operation: &Operation, field: &Field, answer: &Answer) -> Option<String> {
        let row = operation.row(field);
        let subject = live::subject(operation, answer);
        if subject == Some(live::LIVE) {
            self.revive();
        }
        let made = match subject {
            Some(_) => Made::Nothing,
            None => self.make(operation),
        };
        let exec = match live::is_of_an_exec(operation) {
            true => self.make_exec(operation),
            false => String::new(),
        };
        let named = Named {
            container: subject.unwrap_or(CONTAINER),
            exec,
        };
        let wrong = self.answered(operation, field, answer, &named);
        self.unmake(&made);
        wrong.map(|wrong| format!("{row}: {wrong}"))
    }

    fn answered(
        &self,
        operation: &Operation,
        field: &Field,
        answer: &Answer,
        named: &Named,
    ) -> Option<String> {
        let own_target = named.target(operation);
        let mut body = base(operation);
        let mut query = String::new();
        for (index, (name, value)) in answer.sent.iter().enumerate() {
            let of_the_query = match index {
                0 => field.location == Location::Query,
                _ => name.starts_with('?'),
            };
            if of_the_query {
                let begun = !query.is_empty() || own_target.contains('?');
                let separator = if begun { '&' } else { '?' };
                let name = name.trim_start_matches('?');
                write!(query, "{separator}{name}={}", escaped(value)).unwrap();
            } else if field.location == Location::Body && field.name != "-" {
                set(
                    body.get_or_insert_with(|| json!({})),
                    name.trim_start_matches('.'),
                    value,
                );
            }
        }
        let mut target = own_target;
        if field.location == Location::Query && field.name == "name" {
            // It is the one that is asked about; a new name is the query's only one.
            target.truncate(target.find('?').unwrap_or(target.len()));
            query.replace_range(..1, "?");
        }
        let target = format!("{target}{query}");
        if let Kind::Tells { text, only } = &answer.kind {
            let asked = (&*target, body.as_ref());
            let told = match self.told(operation, asked, &named.exec, (text, *only)) {
                Ok(told) => told,
                Err(error) => return Some(format!("nothing is told: {error}")),
            };
            let well = match only {
                true => told == *text,
                false => told.contains(&**text),
            };
            return (!well).then(|| format!("{told:?} is told, not {text:?}"));
        }
        let heard = match archive(operation) {
            None => self.send(&operation.method, &target, body.as_ref()),
            Some(archive) => {
                let value = answer.sent[0].1.as_str().unwrap_or_default();
                let headers = [(field.name.as_str(), value)];
                let headers = match field.location {
                    Location::Header => &headers[..],
                    _ => &[],
                };
                let request = self.request(&operation.method, &target);
                let body = Some(("application/x-tar", archive));
                http::send(&self.socket, &request, headers, body).unwrap()
            }
        };
        self.judged(operation, answer, (named, heard))
    }

    /// Returns the fault of an answer, if it has one.
    fn judged(
        &self,
        operation: &Operation,
        answer: &Answer,
        (named, heard): (&Named, Heard),
    ) -> Option<String> {
        let (status, said) = (heard.status, heard.message().to_owned());
        match &answer.kind {
            Kind::Refused {
                status: expected,
                says,
            } => {
                let well = status == *expected && said.contains(says.as_str());
                (!well)
                    .then(|| format!("not refused with {expected} and {says:?}: {status} {said}"))
            }
            Kind::Ignored {
                status: expected, ..
            } => {
                let well = match expected {
                    Some(expected) => status == *expected,
                    None => (200..400).contains(&status),
                };
                (!well).then(|| format!("not ignored: {status} {said}"))
            }
            Kind::Does { status: expected } => {
                (status != *expected).then(|| format!("not {expected}: {status} {said}"))
            }
            Kind::Tells { .. } => None,
            Kind::Inspected { path, value } => {
                if !(200..300).contains(&status) {
                    return Some(format!("not taken: {status} {said}"));
                }
                let shown = self.inspected(operation, path, (named, heard));
                (shown != *value).then(|| format!("{path} is shown as {shown}, not as {value}"))
            }
        }
    }

    /// Returns the output of inspect.
    fn inspected(
        &self,
        operation: &Operation,
        path: &str,
        (named, heard): (&Named, Heard),
    ) -> Value {
        if operation.method == "GET" {
            return at(heard.body, path);
        }
        let (target, path) = match operation.path.as_str() {
            "/containers/{id}/exec" => {
                let id = heard.body["Id"].as_str().unwrap_or_default();
                (format!("/exec/{id}/json"), path.to_owned())
            }
            "/containers/{id}/rename" => (format!("/containers/{RENAMED}/json"), path.to_owned()),
            "/networks/create" => (format!("/networks/{NETWORK}"), path.to_owned()),
            "/networks/{id}/connect" => {
                let field = path.trim_start_matches("EndpointConfig.");
                let path = format!("NetworkSettings.Networks.{NETWORK}.{field}");
                (format!("/containers/{CONTAINER}/json"), path)
            }
            "/containers/{id}/update" => {
                let target = format!("/containers/{CONTAINER}/json");
                (target, format!("HostConfig.{path}"))
            }
            _ => {
                let own = [
                    "HostConfig.",
                    "NetworkSettings.",
                    "State.",
                    "Mounts",
                    "Name",
                ];
                let path = match own.iter().any(|part| path.starts_with(part)) {
                    true => path.to_owned(),
                    false => format!("Config.{path}"),
                };
                (format!("/containers/{}/json", named.container), path)
            }
        };
        at(self.send("GET", &target, None).body, &path)
    }

    /// Sends nothing but the operation; what is wrong with its answer.
    pub fn refused_as_a_group(&self, operation: &Operation, group: &Group) -> Option<String> {
        let body = (operation.method != "GET" && operation.method != "HEAD").then(|| json!({}));
        let named = Named {
            container: CONTAINER,
            exec: "nothing".to_owned(),
        };
        let target = named.target(operation);
        let answer = self.send(&operation.method, &target, body.as_ref());
        let Operation { method, path, .. } = operation;
        let (status, expected) = (answer.status, group.status);
        (status != expected).then(|| {
            format!(
                "{method} {path}: not {expected}: {status} {}",
                answer.message()
            )
        })
    }

    fn make(&self, operation: &Operation) -> Made {
        let made = match operation.path.as_str() {
            "/containers/create" => return Made::Container,
            "/networks/create" => return Made::Network,
            path if path.starts_with("/networks/{id}") => Made::Both,
            path if path.starts_with("/containers/{id}") => Made::Container,
            _ => Made::Nothing,
        };
        if operation.method == "DELETE" && operation.path == "/images/{name}" {
            let target = format!("/images/{IMAGE}/tag?repo=other&tag=latest");
            self.send("POST", &target, None);
        }
        if matches!(made, Made::Container | Made::Both) {
            let target = format!("/containers/create?name={CONTAINER}");
            let body = json!({ "Image": IMAGE, "HostConfig": { "NetworkMode": "none" } });
            let answer = self.send("POST", &target, Some(&body));
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        if matches!(made, Made::Both) {
            let subnets = json!([{ "Subnet": "10.77.0.0/24" }, { "Subnet": "fd77::/64" }]);
            let body =
                json!({ "Name": NETWORK, "EnableIPv6": true, "IPAM": { "Config": subnets } });
            let answer = self.send("POST", "/networks/create", Some(&body));
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        made
    }

    /// Whatever is there of it.
    fn unmake(&self, made: &Made) {
        if matches!(made, Made::Container | Made::Both) {
            for name in [CONTAINER, RENAMED] {
                self.send("DELETE", &format!("/containers/{name}?force=1"), None);
            }
        }
        if matches!(made, Made::Network | Made::Both) {
            self.send("DELETE", &format!("/networks/{NETWORK}"), None);
        }
    }
}

/// Returns the body that a request needs beside the field under test.
fn base(operation: &Operation) -> Option<Value> {
    match (operation.method.as_str(), operation.path.as_str()) {
        ("POST", "/containers/create") => Some(json!({ "Image": IMAGE })),
        ("POST", "/networks/create") => Some(json!({ "Name": NETWORK })),
        ("POST", "/networks/{id}/connect" | "/networks/{id}/disconnect") => {
            Some(json!({ "Container": CONTAINER }))
        }
        ("POST", "/containers/{id}/exec") => Some(live::process()),
        ("POST", "/containers/{id}/update" | "/exec/{id}/start") => Some(json!({})),
        _ => None,
    }
}

/// An archive of nothing (tar(5): two blocks of zeros), where a body is one.
fn archive(operation: &Operation) -> Option<&'static [u8]> {
    let takes = matches!(&*operation.path, "/images/create" | "/images/load");
    takes.then_some(&[0; 1024])
}

/// What stands in an operation's path.
struct Named {
    container: &'static str,
    exec: String,
}

impl Named {
    fn target(&self, operation: &Operation) -> String {
        let path = operation.path.as_str();
        if path == "/containers/create" {
            return format!("{path}?name={CONTAINER}");
        }
        let name = match path {
            path if path.starts_with("/containers/") => self.container,
            path if path.starts_with("/exec/") => &self.exec,
            path if path.starts_with("/networks/") => NETWORK,
            "/images/{name}" => OTHER_IMAGE,
            path if path.starts_with("/images/") => IMAGE,
            _ => "nothing",
        };
        path.replace("{id}", name).replace("{name}", name)
    }
}

/// Returns the value at a path of keys and indices.
fn at(whole: Value, path: &str) -> Value {
    path.split('.')
        .fold(whole, |value, key| match key.parse::<usize>() {
            Ok(index) => value[index].clone(),
            Err(_) => value[key].clone(),
        })
}

/// As a query has it.
fn escaped(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            write!(escaped, "%{byte:02X}").unwrap();
        }
    }
    escaped
}

fn set(body: &mut Value, path: &str, value: &Value) {
    let mut at = body;
    for key in path.split('.') {
        let Value::Object(map) = at else {
            panic!("{path} leads into what is no object");
        };
        at = map.entry(key).or_insert_with(|| Value::Object(Map::new()));
    }
    *at = value.clone();
}

//! The workflow on an external network.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::stage::{SOON, Stage};

const HELLO: &str = "Hello world!";
/// The document's table, with the scopes that newer CLIs add.
const TABLE: [[&str; 3]; 4] = [
    ["bridge", "bridge", "local"],
    ["default-external", "bridge", "external"],
    ["none", "null", "local"],
    ["vic-production", "bridge", "external"],
];
/// What newer APIs show beside the document's fields.
const NEWER: [&str; 8] = [
    "Attachable",
    "ConfigFrom",
    "ConfigOnly",
    "Created",
    "EnableIPv6",
    "Ingress",
    "Internal",
    "Labels",
];

/// "The user expects the server container to have its port exposed on the external network vic-production." Gives the
/// addresses that its servers had.
pub fn played(stage: &Stage<'_>, of: &str) -> Vec<String> {
    let mut terminal = stage.terminal("external.sh", of);
    let table = terminal.until("[\n", SOON).unwrap();
    is_the_documents_table(&table);
    let first = format!("[{}", terminal.until("\n]\n", SOON).unwrap());
    let second = terminal.until("\n]\n", SOON).unwrap();
    is_the_documents(&first, ["default-external", "10.2.0.0/16", "10.2.0.1"]);
    is_the_documents(&second, ["vic-production", "208.91.3.0/24", "208.91.3.1"]);

    let mut addresses = Vec::new();
    for _ in ["--expose=80", "-p 80", "-p 80:80"] {
        let head = terminal.until("208.91.3.", SOON).unwrap();
        let tail = terminal.until("\n", SOON).unwrap();
        let (_, network) = head.rsplit_once('\n').unwrap();
        let address = format!("{network}{}", tail.trim_end());
        let to: IpAddr = address.parse().unwrap();
        assert_eq!(stage.telnet(to, 80), HELLO);
        addresses.push(address);
        terminal.line("enough").unwrap();
    }
    let said = terminal.end(SOON).unwrap();
    let (_, refused) = said.rsplit_once("docker: ").unwrap();
    assert!(refused.contains("8080:80"), "{refused}");
    assert!(refused.contains("vic-production"), "{refused}");
    assert!(
        refused.trim_end().ends_with("NAMES"),
        "a container is left: {refused}"
    );
    addresses
}

fn is_the_documents_table(shown: &str) {
    let cells = |line: &str| -> Vec<String> {
        let parts = line.split("  ").map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut lines = shown.lines().map(cells).filter(|cells| cells.len() == 4);
    let head = lines.next().unwrap();
    assert_eq!(head, ["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
    let rows: Vec<_> = lines.collect();
    for row in TABLE {
        let found = rows.iter().find(|cells| cells[1] == row[0]);
        let found = found.unwrap_or_else(|| panic!("{row:?}: {shown}"));
        assert_eq!(found[1..], row, "{shown}");
        assert_eq!(found[0].len(), 12, "{shown}");
    }
}

/// Checks that the inspected network has the document's fields with the document's values.
fn is_the_documents(inspected: &str, [name, subnet, gateway]: [&str; 3]) {
    let shown: Value = serde_json::from_str(inspected).unwrap_or_else(|_| panic!("{inspected}"));
    let mut fields = shown[0].as_object().unwrap().clone();
    let id = fields.remove("Id").unwrap();
    assert_eq!(id.as_str().unwrap().len(), 64, "{inspected}");
    // It has more of them while others play.
    let containers = fields.remove("Containers").unwrap();
    assert!(containers.is_object(), "{inspected}");
    fields.retain(|key, _| !NEWER.contains(&&**key));
    let expected = json!({
        "Name": name,
        "Scope": "external",
        "Driver": "bridge",
        "IPAM": {
            "Driver": "default",
            "Options": {},
            "Config": [{ "Subnet": subnet, "Gateway": gateway }],
        },
        "Options": {},
    });
    assert_eq!(Value::Object(fields), expected);
}

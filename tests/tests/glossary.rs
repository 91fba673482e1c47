//! The words that the sources gave up for the field's own (`docs/glossary.md`): none of them comes back as the name of a
//! type, a module, a function, a field or a variant.

use std::fs;

/// The words given up, each with the word that took over.
const GIVEN_UP: [(&str, &str); 113] = [
    ("Bindings", "BindingChange"),
    ("Birth", "spawn handshake"),
    ("Book", "State, history or database"),
    ("Books", "state"),
    ("Carried", "NetworkBacking"),
    ("Carrier", "Segment"),
    ("Come", "StreamItem"),
    ("ContainerBook", "ContainerState"),
    ("Desk", "Writer"),
    ("Doom", "MarkPendingDeletion"),
    ("Door", "ConnectionLimiter"),
    ("Doors", "Listeners"),
    ("Ear", "GuestReader"),
    ("EffectError", "DataplaneError"),
    ("Effects", "Dataplane"),
    ("Folder", "Dir"),
    ("FolderError", "DirError"),
    ("Folders", "Dirs"),
    ("Genuine", "AntiSpoof"),
    ("GiveUp", "Abandon"),
    ("Hands", "Executor"),
    ("House", "Server"),
    ("Keeper", "LedgerHandle"),
    ("KeeperError", "WriterError"),
    ("Kept", "NftSet"),
    ("Knock", "Probe"),
    ("Late", "Timeout"),
    ("Life", "RunState or run"),
    ("Looked", "ContainerSnapshot"),
    ("NetworkBook", "NetworkState"),
    ("News", "GuestEvent"),
    ("Next", "ContainerDraft or Numbering::New"),
    ("Nonsense", "ProtocolError"),
    ("Odd", "UnexpectedReply"),
    ("Off", "Disabled"),
    ("Outside", "SystemEnvironment"),
    ("PciPlace", "PciLocation"),
    ("Place", "endpoint, path or position"),
    ("PlaceRow", "EndpointView"),
    ("Places", "EndpointChange"),
    ("Said", "LogEntry"),
    ("Scene", "Scenario, Testbed or ContainerView"),
    ("Scribe", "LogWriter"),
    ("Settler", "Reconciler"),
    ("Shown", "ContainerDocument"),
    ("Standing", "EndpointDraft"),
    ("Station", "HostInterface"),
    ("SubnetBook", "SubnetState"),
    ("Surroundings", "Environment"),
    ("Tethered", "AgentTarget"),
    ("Together", "Batch"),
    ("Unborn", "PendingChild"),
    ("Unsettled", "Drift"),
    ("Untrue", "DigestMismatch"),
    ("Upper", "WritableLayer"),
    ("Wish", "request or params"),
    ("Words", "StringOrList or Arguments"),
    ("Work", "Delta, or the future or job that it is"),
    ("apart", "isolated"),
    ("arrivals", "input"),
    ("awake", "wait_ready"),
    ("become_it", "exec"),
    ("book", "state, history or database"),
    ("bring", "pull"),
    ("come", "received or outcome"),
    ("commons", "shared_ports"),
    ("confined", "internal"),
    ("crowd", "many"),
    ("deed", "operation"),
    ("deeds", "operations"),
    ("doomed", "pending_deletion"),
    ("doors", "listeners"),
    ("effects", "dataplane"),
    ("folder", "dir"),
    ("folders", "dirs"),
    ("friendly", "peers_allowed"),
    ("genuine", "anti_spoof"),
    ("give_up", "cancel_pending"),
    ("growth", "cost_growth"),
    ("keeper", "ledger_handle"),
    ("knock", "probe"),
    ("late", "timed out or due"),
    ("life", "run_state or run"),
    ("lives", "lifecycle"),
    ("mend", "repair"),
    ("new_upper", "new_writable_layer"),
    ("news", "events or progress"),
    ("passage", "forward"),
    ("place", "endpoint, path or position"),
    ("places", "endpoints, paths or positions"),
    ("replug", "reattach"),
    ("said", "log_entries, declared or answers"),
    ("say", "log or send"),
    ("scene", "scenario or testbed"),
    ("scribe", "log_writer"),
    ("settler", "reconciler"),
    ("settling", "reconciler"),
    ("shown", "document, response or text"),
    ("silent", "icc_off, no_link_local or unresponsive"),
    ("station", "host_interface"),
    ("stations", "host_interfaces"),
    ("story", "restart_story"),
    ("strangers", "foreign_state"),
    ("surroundings", "environment"),
    ("tethered", "agent_target"),
    ("torn", "stale"),
    ("unborn", "pending_child"),
    ("unsettled", "drift"),
    ("upper", "writable_layer"),
    ("upper_disk", "writable_disk"),
    ("walled", "restricted"),
    ("wish", "request or params"),
    ("words", "args, messages or texts"),
];

/// The names of files given up, each with the name that took over. As other names these words are the field's own.
const FILES_GIVEN_UP: [(&str, &str); 3] = [
    ("chain", "error_chain"),
    ("files", "rlimit"),
    ("listeners", "port_probe"),
];

#[test]
fn words_that_were_given_up_name_nothing() {
    let mut found = Vec::new();
    let root = lab::paths::workspace();
    for dir in [
        "protocol",
        "tether-net",
        "vch-coordinator",
        "image",
        "tests",
    ] {
        for file in lab::sources::rust(&root.join(dir)).unwrap() {
            let module = file.file_stem().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).unwrap();
            let names = text.lines().filter_map(defined).chain([&*module]);
            let of_items = names.flat_map(|name| given_up(&GIVEN_UP, name));
            let of_files = given_up(&FILES_GIVEN_UP, &module);
            for (name, instead) in of_items.chain(of_files) {
                found.push(format!("{}: {name}: use {instead}", file.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

/// The entry of a list for a name.
fn given_up<'a>(list: &'a [(&'a str, &'a str)], name: &str) -> Option<&'a (&'a str, &'a str)> {
    list.iter().find(|(word, _)| *word == name)
}

#[test]
fn what_a_line_defines_is_found() {
    for (line, name) in [
        ("pub struct Place<'a> {", Some("Place")),
        ("    pub(super) async fn place(", Some("place")),
        ("    pub(crate) place: Option<Place>,", Some("place")),
        ("mod places;", Some("places")),
        ("    Knock,", Some("Knock")),
        ("    Odd(String),", Some("Odd")),
        ("    place.endpoint();", None),
        ("    /// place: a comment", None),
        ("    Place::new()", None),
    ] {
        assert_eq!(defined(line), name, "{line}");
    }
}

/// The name that a line defines: an item's, a field's or a variant's.
fn defined(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if rest.starts_with("pub") {
        let end = rest.find(' ')?;
        rest = &rest[end + 1..];
    }
    let mut item = false;
    while let Some((word, after)) = rest.split_once(' ') {
        match word {
            "async" | "unsafe" => {}
            "const" | "enum" | "fn" | "mod" | "static" | "struct" | "trait" | "type" => item = true,
            _ => break,
        }
        rest = after;
    }
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
    let field = after.starts_with(": ");
    let capital = name.starts_with(|letter: char| letter.is_uppercase());
    let variant = capital && [",", "(", " {"].iter().any(|next| after.starts_with(next));
    (!name.is_empty() && (item || field || variant)).then_some(name)
}

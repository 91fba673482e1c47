//! What may differ between two daemons that answer equally: ids, times, addresses out of a pool, and which networks
//! were there before anybody asked.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

/// In this order; each is also a line of docs/docker.md.
pub const RULES: &[(&str, &str, &str)] = &[
    ("an id", r"\b(sha256:)?[0-9a-f]{64}\b", "<id>"),
    ("a short id", r"\b[0-9a-f]{12}\b", "<short>"),
    (
        "a hardware address",
        r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b",
        "<mac>",
    ),
    (
        "a point in time",
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| \+0000 UTC)|\b1[6-9]\d{8}(\.\d+)?\b",
        "<time>",
    ),
    (
        "how long ago",
        r"\b(About an? \w+|Less than a second|\d+ (second|minute|hour)s?)\b",
        "<while>",
    ),
    (
        "an address out of the default pools",
        r"\b(172\.(1[6-9]|2\d|3[01])|192\.168)\.\d{1,3}\.\d{1,3}(/\d\d)?",
        "<pool>",
    ),
    (
        "the link of the default bridge",
        r#"("com\.docker\.network\.bridge\.name": ?)"[^"]*""#,
        r#"$1"<bridge>""#,
    ),
    ("the width of a column", r" {2,}", "  "),
    (
        "what runs a container",
        r#"\b(OCI runtime create failed: runc create|OCI runtime exec failed: exec|VM runtime (create|exec)) failed\b|"(runc|vm)""#,
        "<runtime>",
    ),
    (
        "where runc reads it",
        " set in config.json failed",
        " failed",
    ),
    (
        "how much a container wrote",
        r"\breclaimed space: \S+",
        "reclaimed space: <size>",
    ),
    ("what keeps files", r#""(vfs|squashfs)""#, "<storage>"),
    // dockerd starts a process for each that answers in the container's place, by which it loses who asks.
    (
        "a port that a container without IPv6 has for IPv6",
        r#", (\[::\]|::):\d+->\d+/\w+|,\{"HostIp":"::","HostPort":"\d+"\}"#,
        "",
    ),
    (
        "the version of the kernel's control groups",
        r#"("CgroupnsMode": ?)"(host|private)""#,
        r#"$1"<own>""#,
    ),
];

/// What newer releases of moby always show, and 20.10 not: the gateway of a subnet that named none, and two more of the
/// paths that a container does not see.
pub const NEWER: &str = r#"(,\s*"Gateway": ?"[^"]*"|\s*"Gateway": ?"[^"]*",?| \S*\.IPAM\.Config\[\]\.Gateway|\s*"(/proc/interrupts|/sys/devices/virtual/powercap)",?)"#;

/// Networks that only one of the two has, and ports for IPv6 as above: left out of lists.
pub const ONE_SIDED: &str =
    r"^(\S+\s+)?(host|default-external|vic-production)(:?\s.*)?$|^(\d+/\w+ -> )?\[::\]:\d+$";

static COMPILED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = RULES.iter();
    rules
        .map(|(_, pattern, name)| (Regex::new(pattern).unwrap(), *name))
        .collect()
});
static LEFT_OUT: LazyLock<Regex> = LazyLock::new(|| Regex::new(ONE_SIDED).unwrap());

static OF_RUNTIMES: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\.Runtimes\.(io\.containerd\.)?\w+(\.(v\d|linux))*(\.v\d)?(\.status\b.*)?")
        .unwrap()
});

/// What is shown where the kernel's control groups are of one version, and not of the other.
static OF_CGROUPS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^\.(KernelMemoryTCP|memory_stats\.(stats\..*|max_usage|failcnt)|(pre)?cpu_stats\.cpu_usage\.percpu_usage|blkio_stats\..*\[\]\..*)$",
    )
    .unwrap()
});

static OF_NEWER: LazyLock<Regex> = LazyLock::new(|| Regex::new(NEWER).unwrap());

/// An answer without what only newer releases of moby say, and without the commas that go with it.
pub fn without_newer(answer: &str) -> String {
    let lines = OF_NEWER.replace_all(answer, "").into_owned();
    let lines = lines.lines().map(|line| line.trim_end_matches(','));
    lines
        .filter(|line| *line != "|")
        .collect::<Vec<_>>()
        .join("\n")
}

/// A recorded answer, or one of now, as both are compared: what clients were told who had gone is not, a runtime's name
/// is no key, and what the CLI asks for at once (`docker rm a b`) has no order.
pub fn comparable(answer: &str) -> String {
    let lines = answer.lines().map(|line| {
        if !line.starts_with("> ") {
            return line.to_owned();
        }
        let gone = line.contains("/wait") && line.contains(".Error.Message");
        let words: Vec<&str> = line.split(' ').collect();
        let (request, keys) = words.split_at(words.len().min(4));
        let keys = keys.iter().filter(|key| !gone && !OF_CGROUPS.is_match(key));
        let keys: BTreeSet<String> = keys
            .map(|key| OF_RUNTIMES.replace(key, ".Runtimes.<runtime>").into_owned())
            .collect();
        let keys: Vec<String> = keys.into_iter().collect();
        format!("{} {}", request.join(" "), keys.join(" "))
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort_by_key(|line| match line.starts_with("> DELETE") {
        true => line.clone(),
        false => String::new(),
    });
    lines.join("\n")
}

/// A text's lines as they are compared.
pub fn normal(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let line = COMPILED.iter().fold(line.to_owned(), |line, (rule, name)| {
            rule.replace_all(&line, *name).into_owned()
        });
        line.trim_end().to_owned()
    });
    lines.filter(|line| !LEFT_OUT.is_match(line)).collect()
}

#[test]
fn only_what_may_differ_is_replaced() {
    let id = "0123456789abcdef".repeat(4);
    assert_eq!(normal(&id), ["<id>"]);
    let told = "Conflict. Address 10.77.0.9 of 172.18.0.2/16 at 2026-01-02T03:04:05.6Z";
    assert_eq!(
        normal(told),
        ["Conflict. Address 10.77.0.9 of <pool> at <time>"]
    );
    let list =
        "0123456789ab   host      host      local\n0123456789ab   none      null      local\n";
    assert_eq!(normal(list), ["<short>  none  null  local"]);
    assert_eq!(normal("host: host local\nhostess"), ["hostess"]);
}

#[test]
fn what_a_client_that_has_gone_would_have_read_is_not_compared() {
    let gone = "> POST /v1.41/containers/<id>/wait?condition=next-exit 200 .Error .Error.Message .StatusCode";
    let read = "> POST /v1.41/containers/<id>/wait?condition=next-exit 200 .Error .StatusCode";
    assert_eq!(
        comparable(gone),
        "> POST /v1.41/containers/<id>/wait?condition=next-exit 200 "
    );
    assert_eq!(comparable(read), read);
    let runtimes = "> GET /v1.45/info 200 .KernelMemoryTCP .Runtimes .Runtimes.io.containerd.runc.v2.path .Runtimes.runc .Runtimes.runc.path .Runtimes.runc.status .Runtimes.runc.status.features";
    assert_eq!(
        comparable(runtimes),
        "> GET /v1.45/info 200 .Runtimes .Runtimes.<runtime> .Runtimes.<runtime>.path"
    );
}

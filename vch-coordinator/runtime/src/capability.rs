//! Linux capabilities (capabilities(7)): their names and numbers, and a container's set.

/// Capability names, indexed by number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];
/// Docker's default capabilities.
const DEFAULT: [u8; 14] = [0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31];

/// Returns the number of a Linux capability (capabilities(7)) by its name: 12 for `NET_ADMIN` or `CAP_NET_ADMIN`.
/// Ignores case; returns `None` if the name is unknown.
pub fn number(name: &str) -> Option<u8> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    let index = NAMES.iter().position(|known| *known == name)?;
    u8::try_from(index).ok()
}

/// Returns the numbers of a container's Linux capabilities in ascending order: Docker's default
/// ones, plus those named in `add`, minus those named in `drop`. The name `ALL` stands for all
/// capabilities.
///
/// # Errors
/// Returns the first unknown name.
pub fn of(add: &[String], drop: &[String]) -> Result<Vec<u8>, String> {
    let all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let known = 0..u8::try_from(NAMES.len()).unwrap_or(u8::MAX);
    let mut has: Vec<u8> = if all(add) {
        known.collect()
    } else if all(drop) {
        Vec::new()
    } else {
        DEFAULT.to_vec()
    };
    let named = |name: &&String| !name.eq_ignore_ascii_case("all");
    let found = |name: &String| number(name).ok_or_else(|| name.clone());
    for name in drop.iter().filter(named) {
        let gone = found(name)?;
        has.retain(|number| *number != gone);
    }
    for name in add.iter().filter(named) {
        has.push(found(name)?);
    }
    has.sort_unstable();
    has.dedup();
    Ok(has)
}

#[cfg(test)]
mod tests;

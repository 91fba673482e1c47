//! Control groups for a dockerd with a mount namespace of its own: the same hierarchies as the machine has.
//!
//! Where the machine's controllers are on hierarchies of version 1, dockerd limits and counts nothing by version 2.

use std::process::Command;

/// A shell script that mounts the cgroup hierarchies below `/sys/fs/cgroup`: each hierarchy of version 1 that the
/// kernel names for this process (cgroups(7): `number:controllers:path`), or that of version 2 if there is no other.
pub(super) const MOUNT: &str = r#"
    cd /
    if grep -q '^[1-9]' /proc/self/cgroup; then
        mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
        while IFS=: read -r number controllers path; do
            case $number:$controllers in
                0:*) continue ;;
                *:name=*) options=none,$controllers ;;
                *) options=$controllers ;;
            esac
            mkdir "/sys/fs/cgroup/${controllers#name=}"
            mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/${controllers#name=}"
        done </proc/self/cgroup
    else
        mount -t cgroup2 none /sys/fs/cgroup
    fi"#;

/// Removes the cgroups of this name, with those below, from every hierarchy; returns whether all were removed.
pub(super) fn remove(name: &str) -> bool {
    const REMOVE: &str = r#"set -e
        eval "$CGROUPS"
        for group in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
            if [ -d "$group" ]; then find "$group" -depth -type d -exec rmdir {} +; fi
        done"#;
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", REMOVE, "sh", name]);
    let output = command.env("CGROUPS", MOUNT).output();
    output.is_ok_and(|output| output.status.success())
}

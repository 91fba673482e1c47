//! Reads from the kernel how much the container uses of the VM, and which processes it has.

use crate::cgroup;
use nix::{
    sys::sysinfo::sysinfo,
    unistd::{Pid, SysconfVar, sysconf},
};
use protocol::process::{InterfaceUsage, Listed, Usage};
use std::fs;

/// Most processes, and letters of a command line, that are told.
const MOST: usize = 256;
const MAX_WORDS: usize = 160;

/// Returns how much memory, processor time, disk and network the container uses at present.
pub fn usage() -> Usage {
    let cpu = cgroup::read("cpu.stat");
    let microseconds = |name| cgroup::value(&cpu, name).saturating_mul(1000);
    let number = |text: String| text.trim().parse::<u64>().ok();
    let memory = cgroup::read("memory.stat");
    let io = cgroup::read("io.stat");
    let total = sysinfo().map_or(0, |system| system.ram_total());
    Usage {
        cpu_ns: ["usage_usec", "user_usec", "system_usec"].map(microseconds),
        memory: [
            number(cgroup::read("memory.current")).unwrap_or(0),
            cgroup::value(&memory, "inactive_file"),
        ],
        memory_limit: number(cgroup::read("memory.max")).unwrap_or(total),
        tasks: number(cgroup::read("pids.current"))
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        disk: ["rbytes", "wbytes"].map(|name| disk(&io, name)),
        cpus: configured(SysconfVar::_NPROCESSORS_ONLN)
            .and_then(|count| u16::try_from(count).ok())
            .unwrap_or(1),
        interfaces: interfaces(&fs::read_to_string("/proc/net/dev").unwrap_or_default()),
    }
}

fn configured(variable: SysconfVar) -> Option<u64> {
    let value = sysconf(variable).ok().flatten()?;
    u64::try_from(value).ok()
}

/// Sums one counter of `io.stat`, which has a line a disk, of words `name=value`.
fn disk(text: &str, name: &str) -> u64 {
    let words = text.split_ascii_whitespace();
    let values = words.filter_map(|word| {
        word.strip_prefix(name)?
            .strip_prefix('=')?
            .parse::<u64>()
            .ok()
    });
    values.sum()
}

/// Parses /proc/net/dev (proc_net(5)): a line an interface, eight numbers received, eight sent.
fn interfaces(text: &str) -> Vec<InterfaceUsage> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let all = lines.filter_map(|(name, numbers)| {
        let numbers: Vec<u64> = numbers
            .split_ascii_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        let four = |from: usize| numbers.get(from..from + 4)?.try_into().ok();
        Some(InterfaceUsage {
            name: name.trim().to_owned(),
            received: four(0)?,
            sent: four(8)?,
        })
    });
    all.filter(|interface| interface.name != "lo").collect()
}

/// Returns the container's processes, ordered by process ID; at most 256.
pub fn processes() -> Vec<Listed> {
    let ticks = configured(SysconfVar::CLK_TCK).unwrap_or(100).max(1);
    let mut all: Vec<Listed> = cgroup::processes()
        .into_iter()
        .take(MOST)
        .filter_map(|pid| listed(pid, ticks))
        .collect();
    all.sort_by_key(|process| process.pid);
    all
}

/// Describes a process; returns `None` for one that has just ended.
fn listed(pid: Pid, ticks: u64) -> Option<Listed> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
    let (stat, status) = (read("stat").ok()?, read("status").ok()?);
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let page_kib = configured(SysconfVar::PAGE_SIZE).unwrap_or(4096) / 1024;
    let mut listed = parsed(&stat, &status, &command_line, Units { ticks, page_kib })?;
    // What was parsed is the number in init's own namespace.
    listed.parent = inner_of(listed.parent);
    Some(listed)
}

/// The units of proc_pid_stat(5).
#[derive(Clone, Copy, Debug)]
struct Units {
    /// Ticks of a second.
    ticks: u64,
    /// KiB of a page.
    page_kib: u64,
}

/// Parses a process's files: proc_pid_stat(5), proc_pid_status(5), proc_pid_cmdline(5). The parent's number is one of
/// the reader's own namespace.
fn parsed(stat: &str, status: &str, command_line: &[u8], units: Units) -> Option<Listed> {
    // The name may hold anything, a closing parenthesis too: what counts is behind the last one.
    let (name, rest) = stat.rsplit_once(')')?;
    let (pid, name) = name.split_once(" (")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let words = String::from_utf8_lossy(command_line).replace('\0', " ");
    let words = words.trim();
    Some(Listed {
        state: state(pid.parse().ok()?, &fields)?,
        memory_kib: [
            number(20)? / 1024,
            number(21)?.saturating_mul(units.page_kib),
        ],
        pid: inner(status)?,
        parent: u32::try_from(number(1)?).ok()?,
        uid: status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))?
            .split_ascii_whitespace()
            .nth(1)?
            .parse()
            .ok()?,
        cpu_ms: (number(11)? + number(12)?).saturating_mul(1000) / units.ticks,
        started_ms: number(19)?.saturating_mul(1000) / units.ticks,
        command_line: if words.is_empty() {
            format!("[{name}]")
        } else {
            words.chars().take(MAX_WORDS).collect()
        },
    })
}

/// Returns the letter of a process's state, with ps's marks behind it (its PROCESS STATE CODES).
fn state(pid: i64, fields: &[&str]) -> Option<String> {
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    let mut state = (*fields.first()?).to_owned();
    let (group, session, foreground) = (number(2)?, number(3)?, number(5)?);
    let (nice, threads) = (number(16)?, number(17)?);
    for (mark, bears) in [
        ('<', nice < 0),
        ('N', nice > 0),
        ('s', session == pid),
        ('l', threads > 1),
        ('+', group == foreground),
    ] {
        if bears {
            state.push(mark);
        }
    }
    Some(state)
}

/// Returns the number in the innermost pid namespace.
fn inner(status: &str) -> Option<u32> {
    numbers(status)?.next_back()?.parse().ok()
}

/// Returns the process's numbers, the outermost namespace's first.
fn numbers(status: &str) -> Option<impl DoubleEndedIterator<Item = &str>> {
    let mut lines = status.lines();
    let numbers = lines.find_map(|line| line.strip_prefix("NSpid:"))?;
    Some(numbers.split_ascii_whitespace())
}

/// Returns a parent's number in the container, 0 for one outside.
fn inner_of(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let inside = numbers(&status).is_some_and(|numbers| numbers.count() > 1);
    inner(&status).filter(|_| inside).unwrap_or(0)
}

#[cfg(test)]
mod tests;

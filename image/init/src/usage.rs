//! What the container uses, and its processes, as the kernel shows them.

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

/// What it uses now.
pub fn usage() -> Usage {
    let cpu = cgroup::read("cpu.stat");
    let microseconds = |name| cgroup::value(&cpu, name).saturating_mul(1000);
    let number = |text: String| text.trim().parse::<u64>().ok();
    let memory = cgroup::read("memory.stat");
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
        disk: ["rbytes", "wbytes"].map(disk),
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

/// `io.stat`: a line a disk, of words `name=value`.
fn disk(name: &str) -> u64 {
    let text = cgroup::read("io.stat");
    let words = text.split_ascii_whitespace();
    let values = words.filter_map(|word| {
        word.strip_prefix(name)?
            .strip_prefix('=')?
            .parse::<u64>()
            .ok()
    });
    values.sum()
}

/// proc_net(5): a line an interface, eight numbers received, eight sent.
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

/// The container's processes, by number.
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

/// proc_pid_stat(5), proc_pid_status(5); `None` for one that has just ended.
fn listed(pid: Pid, ticks: u64) -> Option<Listed> {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
    let (stat, status) = (read("stat").ok()?, read("status").ok()?);
    // The name may hold anything, a closing parenthesis too: what counts is behind the last one.
    let (name, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = String::from_utf8_lossy(&words).replace('\0', " ");
    let words = words.trim();
    let name = name.split_once('(').map_or("", |(_, name)| name);
    let page_kib = configured(SysconfVar::PAGE_SIZE).unwrap_or(4096) / 1024;
    Some(Listed {
        state: state(pid, &fields)?,
        memory_kib: [number(20)? / 1024, number(21)?.saturating_mul(page_kib)],
        pid: inner(&status, "NSpid:")?,
        parent: inner_of(number(1)?),
        uid: status
            .lines()
            .find_map(|line| line.strip_prefix("Uid:"))?
            .split_ascii_whitespace()
            .nth(1)?
            .parse()
            .ok()?,
        cpu_ms: (number(11)? + number(12)?).saturating_mul(1000) / ticks,
        started_ms: number(19)?.saturating_mul(1000) / ticks,
        command_line: if words.is_empty() {
            format!("[{name}]")
        } else {
            words.chars().take(MAX_WORDS).collect()
        },
    })
}

/// The letter of its state, with ps's marks behind it (its PROCESS STATE CODES).
fn state(pid: Pid, fields: &[&str]) -> Option<String> {
    let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
    let mut state = (*fields.first()?).to_owned();
    let (group, session, foreground) = (number(2)?, number(3)?, number(5)?);
    let (nice, threads) = (number(16)?, number(17)?);
    for (mark, bears) in [
        ('<', nice < 0),
        ('N', nice > 0),
        ('s', session == i64::from(pid.as_raw())),
        ('l', threads > 1),
        ('+', group == foreground),
    ] {
        if bears {
            state.push(mark);
        }
    }
    Some(state)
}

/// The number in the innermost pid namespace.
fn inner(status: &str, key: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}

/// A parent's number in the container; 0 for one outside.
fn inner_of(pid: u64) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let inside = numbers.is_some_and(|numbers| numbers.split_ascii_whitespace().count() > 1);
    if inside {
        inner(&status, "NSpid:").unwrap_or(0)
    } else {
        0
    }
}

//! `docker top`: a container's processes, in columns named as by ps(1).
//!
//! dockerd runs the ps of its host. Here the VM reports its processes; ps's options for the selection of
//! processes have no effect, since all of the container's are shown.

use super::super::{Docker, Json, Parameters, Path};
use axum::extract::State;
use docker_model::{DockerError, containers::top::Top, time};
use protocol::process::Listed;
use std::time::Duration;
use vch_runtime::{RuntimeError, event::ContainerAction};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    User,
    Uid,
    Pid,
    Parent,
    Share,
    Percent,
    Virtual,
    Resident,
    MemoryPercent,
    State,
    StateLetter,
    Started,
    Elapsed,
    Terminal,
    Time,
    BsdTime,
    Name,
    CommandLine,
}

/// The columns: ps's names (its STANDARD FORMAT SPECIFIERS), the title, and the column.
const COLUMNS: &[(&str, &str, Column)] = &[
    ("user", "USER", Column::User),
    ("euser", "EUSER", Column::User),
    ("uname", "USER", Column::User),
    ("uid", "UID", Column::Uid),
    ("euid", "EUID", Column::Uid),
    ("pid", "PID", Column::Pid),
    ("tgid", "TGID", Column::Pid),
    ("ppid", "PPID", Column::Parent),
    ("c", "C", Column::Share),
    ("pcpu", "%CPU", Column::Percent),
    ("%cpu", "%CPU", Column::Percent),
    ("vsz", "VSZ", Column::Virtual),
    ("vsize", "VSZ", Column::Virtual),
    ("rss", "RSS", Column::Resident),
    ("rssize", "RSS", Column::Resident),
    ("pmem", "%MEM", Column::MemoryPercent),
    ("%mem", "%MEM", Column::MemoryPercent),
    ("stat", "STAT", Column::State),
    ("state", "S", Column::StateLetter),
    ("s", "S", Column::StateLetter),
    ("stime", "STIME", Column::Started),
    ("start_time", "START", Column::Started),
    ("bsdstart", "START", Column::Started),
    ("etime", "ELAPSED", Column::Elapsed),
    ("tty", "TT", Column::Terminal),
    ("tt", "TT", Column::Terminal),
    ("tname", "TTY", Column::Terminal),
    ("time", "TIME", Column::Time),
    ("cputime", "TIME", Column::Time),
    ("bsdtime", "TIME", Column::BsdTime),
    ("comm", "COMMAND", Column::Name),
    ("ucmd", "CMD", Column::Name),
    ("ucomm", "COMMAND", Column::Name),
    ("args", "COMMAND", Column::CommandLine),
    ("command", "COMMAND", Column::CommandLine),
    ("cmd", "CMD", Column::CommandLine),
];
/// The columns of `ps -f`.
const FULL: &[(&str, Column)] = &[
    ("UID", Column::User),
    ("PID", Column::Pid),
    ("PPID", Column::Parent),
    ("C", Column::Share),
    ("STIME", Column::Started),
    ("TTY", Column::Terminal),
    ("TIME", Column::Time),
    ("CMD", Column::CommandLine),
];
/// The columns of `ps ax`.
const BSD: &[(&str, Column)] = &[
    ("PID", Column::Pid),
    ("TTY", Column::Terminal),
    ("STAT", Column::State),
    ("TIME", Column::BsdTime),
    ("COMMAND", Column::CommandLine),
];
/// The columns of `ps u`.
const BY_USER: &[(&str, Column)] = &[
    ("USER", Column::User),
    ("PID", Column::Pid),
    ("%CPU", Column::Percent),
    ("%MEM", Column::MemoryPercent),
    ("VSZ", Column::Virtual),
    ("RSS", Column::Resident),
    ("TTY", Column::Terminal),
    ("STAT", Column::State),
    ("START", Column::Started),
    ("TIME", Column::BsdTime),
    ("COMMAND", Column::CommandLine),
];
/// The maximum length of a process's name in Linux (TASK_COMM_LEN without the final zero).
const NAME: usize = 15;

/// Handles `GET /containers/{id}/top` (`docker top`): the container's processes, in the columns that ps(1) would
/// show with the options in `ps_args`.
///
/// # Errors
/// Returns 400 if an option or column of ps is not supported, 404 if the container does not exist, and 409 if it
/// does not run.
pub async fn top(
    State(docker): State<Docker>,
    Path(container): Path<String>,
    parameters: Parameters,
) -> Result<Json<Top>, DockerError> {
    let columns = columns(parameters.get("ps_args").unwrap_or_default())?;
    let id = docker.container(&container).await?;
    let snapshot = docker.runtime.require(id).await?;
    if !snapshot.container.runs() {
        return Err(DockerError::conflict(format!(
            "container {id} is not running"
        )));
    }
    let client = docker.runtime.client(&snapshot)?;
    let processes = client.list().await.map_err(RuntimeError::from)?;
    docker.runtime.tell_of(&snapshot, ContainerAction::Listed);
    let context = TopContext {
        started_ms: snapshot.run_state.started_ms,
        memory_kib: u64::from(snapshot.run_state.vm.memory_mib) << 10,
        now: time::now(),
    };
    Ok(Json(response(&columns, &processes, context)))
}

/// Parses ps's options into columns with their titles.
///
/// # Errors
/// Returns 400 for an unknown option or column, and dockerd's error if no column has the process's number.
fn columns(options: &str) -> Result<Vec<(String, Column)>, DockerError> {
    let mut words = options.split_ascii_whitespace();
    let mut chosen = Vec::new();
    let mut usual = FULL;
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-').unwrap_or(word);
        // BSD options, which ps also accepts with a dash if there is no user `x`.
        if letters.starts_with(['a', 'u', 'x'])
            && letters.chars().all(|letter| "auxw".contains(letter))
        {
            usual = if letters.contains('u') { BY_USER } else { BSD };
            continue;
        }
        let (flags, list) = letters.split_once('o').unwrap_or((letters, "-"));
        if !flags
            .chars()
            .all(|flag| matches!(flag, 'e' | 'f' | 'A' | 'a' | 'x' | 'w'))
        {
            return Err(DockerError::unsupported(
                &format!("docker top with the option `{word}` of ps"),
                "give -ef, aux or -eo and columns, or run ps by `docker exec`",
            ));
        }
        let list = match (letters.contains('o'), list) {
            (false, _) => continue,
            (true, "") => words.next().unwrap_or_default(),
            (true, list) => list,
        };
        for name in list.split(',') {
            chosen.push(column(name)?);
        }
    }
    if chosen.is_empty() {
        chosen = usual
            .iter()
            .map(|(title, column)| ((*title).to_owned(), *column))
            .collect();
    }
    match chosen.iter().any(|(title, _)| title == "PID") {
        true => Ok(chosen),
        false => Err(DockerError::failed("Couldn't find PID field in ps output")),
    }
}

/// Parses a column, `pid`, optionally with its own title, `pid=NUMBER`.
///
/// # Errors
/// Returns 400 if the column is unknown.
fn column(wanted: &str) -> Result<(String, Column), DockerError> {
    let (name, title) = match wanted.split_once('=') {
        Some((name, title)) => (name, Some(title.to_owned())),
        None => (wanted, None),
    };
    let mut known = COLUMNS.iter();
    match known.find(|(known, ..)| *known == name) {
        Some((_, usual, column)) => Ok((title.unwrap_or_else(|| (*usual).to_owned()), *column)),
        None => {
            let names: Vec<&str> = COLUMNS.iter().map(|(name, ..)| *name).collect();
            Err(DockerError::unsupported(
                &format!("docker top with the column `{name}` of ps"),
                &format!(
                    "give some of {}, or run ps by `docker exec`",
                    names.join(", ")
                ),
            ))
        }
    }
}

/// Data of the container that the table needs beside its processes.
#[derive(Clone, Copy)]
struct TopContext {
    /// When the container's first process started, in milliseconds since 1970.
    started_ms: u64,
    /// The memory of the container's VM.
    memory_kib: u64,
    now: Duration,
}

/// Returns the table.
fn response(columns: &[(String, Column)], processes: &[Listed], context: TopContext) -> Top {
    let first = processes.iter().map(|one| one.started_ms).min();
    let first = first.unwrap_or_default();
    let rows = processes.iter().map(|one| {
        let started = context.started_ms + (one.started_ms - first);
        let started = Duration::from_millis(started);
        let cells = columns.iter();
        cells
            .map(|(_, column)| cell(*column, one, started, context))
            .collect::<Vec<_>>()
    });
    Top {
        titles: columns.iter().map(|(title, _)| title.clone()).collect(),
        processes: rows.collect(),
    }
}

fn cell(column: Column, one: &Listed, started: Duration, context: TopContext) -> String {
    let lived = context.now.saturating_sub(started);
    let [virtual_kib, resident_kib] = one.memory_kib;
    match column {
        Column::User if one.uid == 0 => "root".to_owned(),
        // User names are only in the container's files.
        Column::User | Column::Uid => one.uid.to_string(),
        Column::Pid => one.pid.to_string(),
        Column::Parent => one.parent.to_string(),
        Column::Share => {
            let lived = lived.as_millis().max(1);
            (u128::from(one.cpu_ms) * 100 / lived).min(99).to_string()
        }
        Column::Percent => percent(u128::from(one.cpu_ms), lived.as_millis()),
        Column::Virtual => virtual_kib.to_string(),
        Column::Resident => resident_kib.to_string(),
        Column::MemoryPercent => percent(resident_kib.into(), context.memory_kib.into()),
        Column::State => one.state.clone(),
        Column::StateLetter => one.state.chars().take(1).collect(),
        Column::Started => {
            let seconds = started.as_secs() % 86_400;
            format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60)
        }
        Column::Elapsed => {
            let seconds = lived.as_secs();
            match (seconds / 86_400, seconds / 3600 % 24) {
                (0, 0) => format!("{:02}:{:02}", seconds / 60, seconds % 60),
                (0, _) => clock(seconds),
                (days, _) => format!("{days}-{}", clock(seconds % 86_400)),
            }
        }
        Column::Terminal => "?".to_owned(),
        Column::Time => clock(one.cpu_ms / 1000),
        Column::BsdTime => {
            let seconds = one.cpu_ms / 1000;
            format!("{}:{:02}", seconds / 60, seconds % 60)
        }
        Column::Name => {
            let program = one.command_line.split(' ').next().unwrap_or_default();
            let name = program.rsplit('/').next().unwrap_or(program);
            name.chars().take(NAME).collect()
        }
        Column::CommandLine => one.command_line.clone(),
    }
}

/// Returns a percentage with one decimal place.
fn percent(part: u128, whole: u128) -> String {
    let tenths = part.saturating_mul(1000) / whole.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn clock(seconds: u64) -> String {
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests;

//! The kernel's loader of modules (the kernel's `admin-guide/sysctl/kernel`, `modprobe`): this program, which the
//! kernel runs in the guest's own namespaces when a process of the container asks for something that a module provides.
//!
//! The modules are on a read-only disk, which is mounted when the first of them is needed: they make neither the
//! initramfs nor a saved VM's memory larger. The disk also has an index of names, aliases and dependencies, so that no
//! module is opened needlessly.

use crate::{kernel_module, signals, sysfs};
use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

/// The path at which the kernel looks for its loader of modules, and by which it calls this program.
pub const PATH: &str = "/sbin/modprobe";
/// The disk's serial number.
const DISK: &str = "modules";
const DIR: &str = "/modules";
const INDEX: &str = "/modules/index";
const LOCK: &str = "/run/modprobe.lock";
/// How long a call may take: the process that asked waits for it. The disk is there from the start.
const SECONDS: u32 = 20;

/// Loads the module that the kernel names (`modprobe -q -- NAME`), and the modules that it needs. Fails if the disk of
/// modules has no such module. Ends after 20 s at the latest.
pub fn run(args: &[String]) -> ExitCode {
    signals::end_after(SECONDS);
    let Some(name) = args.last().filter(|_| args.len() > 1) else {
        return ExitCode::FAILURE;
    };
    match load(name) {
        Ok(true) => ExitCode::SUCCESS,
        // The kernel asks for what it knows by name, whether there is such a module or not.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            log(name, &error);
            ExitCode::FAILURE
        }
    }
}

/// Writes an error to the kernel's log, as far as that is possible.
fn log(name: &str, error: &io::Error) {
    if let Ok(mut kernel_log) = File::options().write(true).open("/dev/kmsg") {
        let _ = writeln!(kernel_log, "modprobe: {name}: {error}");
    }
}

/// Loads the modules that bring a name or an alias; returns whether one of them is there.
///
/// # Errors
/// Returns the system's error if the disk of modules is missing or can't be mounted, or none of the
/// requested modules can be loaded.
fn load(name: &str) -> io::Result<bool> {
    let text = {
        // One caller mounts, all others wait for it.
        let lock = File::create(LOCK)?;
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
        match fs::read_to_string(INDEX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                mount_disk()?;
                fs::read_to_string(INDEX)?
            }
            other => other?,
        }
    };
    let Wanted { order, asked } = resolve(&text, name);
    let mut failed = None;
    let mut there = false;
    for module in &order {
        // Where one that is needed does not load, those that need it say so; what only does better with it loads.
        match insert(module) {
            Ok(()) => there |= asked.contains(module),
            Err(error) => failed = Some(io::Error::other(format!("module {module}: {error}"))),
        }
    }
    match failed {
        Some(error) if !there => Err(error),
        _ => Ok(there),
    }
}

fn insert(module: &str) -> io::Result<()> {
    if Path::new("/sys/module")
        .join(module)
        .join("initstate")
        .exists()
    {
        return Ok(());
    }
    kernel_module::insert(&File::open(Path::new(DIR).join(format!("{module}.ko")))?)
}

fn mount_disk() -> io::Result<()> {
    let disk = sysfs::disk(DISK).find()?;
    fs::create_dir_all(DIR)?;
    let none: Option<&str> = None;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    Ok(mount(Some(&disk), DIR, Some("squashfs"), flags, none)?)
}

/// The modules to be loaded for a name or an alias.
struct Wanted {
    /// All modules, each behind those that it needs.
    order: Vec<String>,
    /// The modules that bring the name or the alias.
    asked: Vec<String>,
}

/// Finds the modules that bring a name or an alias. In the index each line is
/// `module NAME NEEDED...`, `alias PATTERN NAME`, in this order.
fn resolve(index: &str, wanted: &str) -> Wanted {
    let name = wanted.replace('-', "_");
    let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found: Vec<&str> = Vec::new();
    for line in index.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("module"), Some(module)) => {
                needs.insert(module, words.collect());
                if module == name {
                    found.push(module);
                }
            }
            (Some("alias"), Some(pattern)) if matches(pattern.as_bytes(), wanted.as_bytes()) => {
                found.extend(words.next());
            }
            _ => {}
        }
    }
    let mut order = Vec::new();
    for module in &found {
        // What it needs stands whole in its line, deepest first.
        let all = needs.get(module).into_iter().flatten().chain([module]);
        for one in all {
            if !order.iter().any(|there| there == one) {
                order.push((*one).to_owned());
            }
        }
    }
    Wanted {
        order,
        asked: found.into_iter().map(str::to_owned).collect(),
    }
}

/// Returns whether a text is of a pattern with `*`, `?` and `[...]` (fnmatch(3), as modules' aliases use it).
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match (first, text.split_first()) {
        (b'*', _) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
        (b'?', Some((_, left))) => matches(rest, left),
        (b'[', Some((letter, left))) => {
            let Some(end) = rest.iter().position(|one| *one == b']') else {
                return false;
            };
            in_class(&rest[..end], *letter) && matches(&rest[end + 1..], left)
        }
        (first, Some((letter, left))) => first == letter && matches(rest, left),
        (_, None) => false,
    }
}

/// Returns whether a class such as `abc` or `0-9` has a letter.
fn in_class(class: &[u8], letter: u8) -> bool {
    match class {
        [from, b'-', to, rest @ ..] => (*from..=*to).contains(&letter) || in_class(rest, letter),
        [one, rest @ ..] => *one == letter || in_class(rest, letter),
        [] => false,
    }
}

#[cfg(test)]
mod tests;

//! Finds users and groups by the container's own files (passwd(5), group(5)).

use nix::libc;
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use thiserror::Error;

/// The user and the groups that a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The user ID.
    pub uid: u32,
    /// The ID of the primary group.
    pub gid: u32,
    /// The IDs of all groups, in ascending order; the primary group is among them.
    pub groups: Vec<u32>,
    /// The user's home directory; `/` if the files do not have the user.
    pub home: String,
}

/// The reason for which a user or a group can't be found, in Docker's words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserError {
    /// The user with this name is not in the container's /etc/passwd.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// The user's group with this name is not in the container's /etc/group.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// The further group with this name (`--group-add`) is not in the container's /etc/group.
    #[error("Unable to find group {0}: no matching entries in group file")]
    UnknownFurtherGroup(String),
    /// The number of a user or group is not between 0 and 2147483647.
    #[error("uids and gids must be in range 0-2147483647")]
    OutOfRange,
}

/// Most bytes of one of the files that are read; a longer one counts as absent.
const MAX_FILE: u64 = 4 << 20;

/// Finds the user and groups that a process runs as. `user` is `user`, `uid`, `user:group` or
/// `uid:gid`, and empty for root; `groups` are further groups, by name or number.
///
/// # Errors
/// Returns [`UserError`] if a name is not in the container's files, or if a number is out of
/// Docker's range.
pub fn resolve(user: &str, groups: &[String]) -> Result<User, UserError> {
    // As absent counts, too, what is no file: names are unknown then, numbers are what they are.
    let read = |path| read(Path::new(path)).unwrap_or_default();
    resolve_in(user, groups, &read("/etc/passwd"), &read("/etc/group"))
}

/// Reads a regular file's text. The container made it, and may have put anything in its place: a pipe would block, a
/// device has no end.
fn read(path: &Path) -> io::Result<String> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let invalid = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
    if !file.metadata()?.is_file() {
        return Err(invalid("it is no regular file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(invalid("it is too long"));
    }
    // One odd byte in a comment hides no user.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Resolves a user and further groups by the texts of passwd(5) and group(5).
///
/// # Errors
/// Returns [`UserError`] if a name is not in the texts, or a number is out of Docker's range.
fn resolve_in(
    wanted: &str,
    groups: &[String],
    passwd: &str,
    group: &str,
) -> Result<User, UserError> {
    let (name, group_name) = match wanted.split_once(':') {
        Some((name, group)) => (name, Some(group).filter(|group| !group.is_empty())),
        None => (wanted, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let number = number(name)?;
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|entry| {
            let uid = entry.get(2).and_then(|uid| uid.parse::<u32>().ok());
            entry.first() == Some(&name) || (number.is_some() && uid == number)
        });
    let of = |index: usize| entry.as_ref().and_then(|entry| entry.get(index).copied());
    let uid = of(2).and_then(|uid| uid.parse().ok()).or(number);
    let uid = uid.ok_or_else(|| UserError::UnknownUser(name.to_owned()))?;
    let gid = match group_name {
        Some(group_name) => find_group(group_name, group)?
            .ok_or_else(|| UserError::UnknownGroup(group_name.to_owned()))?,
        None => of(3).and_then(|gid| gid.parse().ok()).unwrap_or(0),
    };
    let mut further = Vec::new();
    if group_name.is_none() {
        let own = of(0).unwrap_or(name);
        let member = |entry: &Vec<&str>| {
            let members = entry.get(3).copied().unwrap_or_default();
            members.split(',').any(|member| member == own)
        };
        let entries = group
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let numbers = entries.filter(member);
        further.extend(numbers.filter_map(|entry| entry.get(2)?.parse::<u32>().ok()));
    }
    for name in groups {
        let found = find_group(name, group)?;
        further.push(found.ok_or_else(|| UserError::UnknownFurtherGroup(name.clone()))?);
    }
    // Docker's containers have their group among these too (CVE-2022-36109).
    further.push(gid);
    further.sort_unstable();
    further.dedup();
    Ok(User {
        uid,
        gid,
        groups: further,
        home: of(5)
            .filter(|home| !home.is_empty())
            .unwrap_or("/")
            .to_owned(),
    })
}

/// Returns the number that a name is; `None` if it is not a number.
///
/// # Errors
/// Returns [`UserError::OutOfRange`] if the number is out of Docker's range for users and groups.
fn number(name: &str) -> Result<Option<u32>, UserError> {
    let Ok(number) = name.parse::<i64>() else {
        return Ok(None);
    };
    match i32::try_from(number)
        .ok()
        .and_then(|number| u32::try_from(number).ok())
    {
        Some(number) => Ok(Some(number)),
        None => Err(UserError::OutOfRange),
    }
}

/// Returns the number of a group by the text of group(5), or the number that its name is; `None` if it is neither
/// in the text nor a number.
///
/// # Errors
/// Returns [`UserError::OutOfRange`] if the name is a number out of Docker's range.
fn find_group(name: &str, group: &str) -> Result<Option<u32>, UserError> {
    let mut entries = group
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|entry| entry.first() == Some(&name));
    let found = entry.and_then(|entry| entry.get(2)?.parse().ok());
    Ok(found.or(number(name)?))
}

#[cfg(test)]
mod tests;

//! The store's file in its directory: a new store is made under another name first, and an older
//! one is copied before it is migrated.

use super::{
    StoreError,
    error::failed,
    facts::{self, SCHEMA},
    lock,
    prepare::prepare,
    schema::SCHEMA_VERSION,
};
use redb::{Database, ReadableDatabase};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};
use vch_ledger::ContainerId;

/// The file name of the store.
pub(super) const FILE: &str = "ledger.redb";
/// The file name of a store that is being made.
const UNFINISHED: &str = "ledger.redb.new";
/// The names that mark a directory as a coordinator's state directory: it has at least one of them.
pub(super) const MARKS: &[&str] = &[FILE, UNFINISHED, lock::FILE, CONTAINERS];
/// The name of the directory that holds every container's directory.
pub(super) const CONTAINERS: &str = "containers";

/// Opens the database of a directory; makes it if the directory has none. A database of an older schema is copied to
/// `ledger.redb.vN` before it is migrated, since the release that wrote it does not read a migrated one.
///
/// # Errors
/// Returns [`StoreError::Missing`] if the directory has no database but has directories of containers, unless
/// `begin_anew` is set. Returns [`StoreError::Directory`] or [`StoreError::Database`] if a file can't be read, copied
/// or opened.
pub(super) fn database(dir: &Path, begin_anew: bool) -> Result<Database, StoreError> {
    let path = dir.join(FILE);
    if !path.try_exists().map_err(unusable(&path))? {
        let containers = containers(dir);
        if containers > 0 && !begin_anew {
            return Err(StoreError::Missing { path, containers });
        }
        make(dir)?;
    }
    let database = open(&path)?;
    let read = database.begin_read().map_err(failed("begin reading"))?;
    let schema = facts::read::<u32>(&read, SCHEMA)?;
    let Some(older @ ..SCHEMA_VERSION) = schema else {
        return Ok(database);
    };
    // Closed: what is copied is at rest.
    drop((read, database));
    copy(dir, &path, older)?;
    open(&path)
}

/// Opens a store that is there, and reads it against its checksums: what a disk or a hand has changed
/// would be found late, or be taken for what was decided.
fn open(path: &Path) -> Result<Database, StoreError> {
    let mut database = Database::create(path).map_err(failed("open"))?;
    let whole = database.check_integrity().map_err(failed("check"))?;
    if !whole {
        tracing::error!(
            path = %path.display(),
            "the store was damaged and is mended: what was decided last may be missing"
        );
    }
    Ok(database)
}

/// Returns how many containers have a directory.
fn containers(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir.join(CONTAINERS)) else {
        // Most often there are none yet.
        return 0;
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter(|name| name.to_string_lossy().parse::<ContainerId>().is_ok())
        .count()
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| StoreError::Directory {
        path: path.to_owned(),
        source,
    }
}

/// Makes a new store, aside: a file of which only a part was made would be refused as broken, so
/// the name is given to a whole one only.
fn make(dir: &Path) -> Result<(), StoreError> {
    let unfinished = clear(dir)?;
    let database = Database::create(&unfinished).map_err(failed("make"))?;
    prepare(&database, &mut getrandom::fill)?;
    drop(database);
    name(dir, &unfinished, FILE)
}

fn copy(dir: &Path, path: &Path, schema: u32) -> Result<(), StoreError> {
    let unfinished = clear(dir)?;
    let copied = fs::copy(path, &unfinished).and_then(|_| File::open(&unfinished)?.sync_all());
    copied.map_err(unusable(&unfinished))?;
    let kept = format!("{FILE}.v{schema}");
    name(dir, &unfinished, &kept)?;
    tracing::info!(schema, "the store as it was stays as {kept}");
    Ok(())
}

/// Takes away what a crash may have left.
fn clear(dir: &Path) -> Result<PathBuf, StoreError> {
    let unfinished = dir.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        // Most often no such file is left.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&unfinished)(error)),
        _ => Ok(unfinished),
    }
}

/// Gives a whole file its name. The name is durable when the directory is (rename(2), fsync(2)).
fn name(dir: &Path, unfinished: &Path, name: &str) -> Result<(), StoreError> {
    let path = dir.join(name);
    let named = fs::rename(unfinished, &path).and_then(|()| File::open(dir)?.sync_all());
    named.map_err(unusable(&path))
}

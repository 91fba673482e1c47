//! Packages of a Debian suite (release) that is not this machine's own. Neither the machine's package lists nor its
//! package cache are changed.
//!
//! The packages come from the archive that the machine's own Debian sources name, and are verified by the machine's
//! keyring of Debian.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{DebianError, run, unpacked_by, write_error};

/// Debian's keys, of the package `debian-archive-keyring`, which every Debian has.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The file that names a machine's release of Debian.
const OS_RELEASE: &str = "/etc/os-release";

/// A Debian suite (release) such as `trixie`, with package lists in a directory of its own.
#[derive(Debug, Clone)]
pub struct Suite {
    name: String,
    dir: PathBuf,
}

impl Suite {
    /// Returns the suite of this name. `dir` is the directory for its package lists, and is made when it is needed.
    /// Fetches nothing yet.
    #[must_use]
    pub fn new(name: &str, dir: &Path) -> Self {
        Self {
            name: name.to_owned(),
            dir: dir.to_owned(),
        }
    }

    /// Downloads a package of this suite and unpacks it into `dir`. Does nothing if `dir` exists; an interrupted call
    /// leaves no `dir`. Fetches the suite's package lists first if they were never fetched. If they are of an earlier
    /// call and the package can't be got, fetches them again and tries once more.
    ///
    /// # Errors
    /// Returns [`DebianError`] if the lists or the package can't be fetched or unpacked.
    pub fn unpacked(&self, package: &str, dir: &Path) -> Result<(), DebianError> {
        if dir.is_dir() {
            return Ok(());
        }
        let fresh = self.listed()?;
        let wanted = format!("{package}/{}", self.name);
        let first = unpacked_by(&mut self.apt_get()?, &wanted, dir);
        if first.is_ok() || fresh {
            return first;
        }
        self.update()?;
        unpacked_by(&mut self.apt_get()?, &wanted, dir)
    }

    /// Returns the line by which apt gets this suite's packages (sources.list(5)): the component `main`, from the
    /// archive that this machine's own Debian sources name.
    ///
    /// # Errors
    /// Returns [`DebianError::Unexpected`] if this machine's own sources name no Debian archive, else the error of
    /// running apt or of reading /etc/os-release.
    pub fn source(&self) -> Result<String, DebianError> {
        let archive = archive()?;
        let name = &self.name;
        Ok(format!("deb [signed-by={KEYRING}] {archive} {name} main"))
    }

    /// Fetches the package lists if there are none; tells whether it did.
    fn listed(&self) -> Result<bool, DebianError> {
        let sources = self.sources();
        if sources.is_file() {
            return Ok(false);
        }
        for part in ["lists/partial", "cache/archives/partial"] {
            let part = self.dir.join(part);
            fs::create_dir_all(&part).map_err(write_error(&part))?;
        }
        let line = self.source()? + "\n";
        // Written under its name only when the lists are there, so that a cut update is done again.
        let partial = self.dir.join("sources.partial");
        fs::write(&partial, line).map_err(write_error(&partial))?;
        run(self.apt_get_of(&partial).arg("update"), "apt-get", "apt")?;
        fs::rename(&partial, &sources).map_err(write_error(&sources))?;
        Ok(true)
    }

    fn update(&self) -> Result<(), DebianError> {
        run(self.apt_get()?.arg("update"), "apt-get", "apt").map(drop)
    }

    fn sources(&self) -> PathBuf {
        self.dir.join("sources.list")
    }

    /// Returns `apt-get` with only this suite configured. It runs in other directories, so its paths are absolute.
    fn apt_get(&self) -> Result<Command, DebianError> {
        let sources = self.sources();
        let sources = sources.canonicalize().map_err(write_error(&sources))?;
        Ok(self.apt_get_of(&sources))
    }

    fn apt_get_of(&self, sources: &Path) -> Command {
        let dir = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        let sources = sources
            .canonicalize()
            .unwrap_or_else(|_| sources.to_owned());
        let mut command = Command::new("apt-get");
        command.arg("-q");
        for option in [
            format!("Dir::State::Lists={}", dir.join("lists").display()),
            format!("Dir::Cache={}", dir.join("cache").display()),
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            // The list of packages, and nothing else that describes them.
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            // apt's own download user can't write into a build directory that belongs to another user.
            "APT::Sandbox::User=root".to_owned(),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

/// Returns the archive that this machine's own release of Debian comes from.
fn archive() -> Result<String, DebianError> {
    let mut targets = Command::new("apt-get");
    targets.args([
        "indextargets",
        "--format",
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
    ]);
    targets.arg("Created-By: Packages");
    let listing = run(&mut targets, "apt-get", "apt")?;
    let release = fs::read_to_string(OS_RELEASE).map_err(|source| DebianError::Read {
        path: OS_RELEASE.into(),
        source,
    })?;
    archive_in(&listing, &release).ok_or_else(|| DebianError::Unexpected {
        package: "apt".to_owned(),
        reason: "none of this machine's package sources is Debian's own".to_owned(),
    })
}

/// Returns the archive of the release that `/etc/os-release` names. If the sources name the release otherwise
/// (`stable`), returns the one whose name is that of Debian's archive.
fn archive_in(listing: &str, release: &str) -> Option<String> {
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|name| name.trim_matches('"'));
    let of_main = || {
        listing.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let (archive, release) = (words.next()?, words.next()?);
            (words.next() == Some("main")).then_some((archive, release))
        })
    };
    let exact = of_main().find(|(_, release)| Some(*release) == codename);
    let by_name =
        || of_main().find(|(archive, _)| archive.trim_end_matches('/').ends_with("/debian"));
    exact
        .or_else(by_name)
        .map(|(archive, _)| archive.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELEASE: &str =
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\n";

    #[test]
    fn the_archive_is_that_of_the_machines_own_release() {
        let listing = "http://other.example/apt/ nodistro main\n\
            http://mirror.example/debian-security/ bookworm-security main\n\
            http://mirror.example/debian/ bookworm-updates main\n\
            http://mirror.example/deb/ bookworm contrib\n\
            http://mirror.example/deb/ bookworm main\n";
        assert_eq!(
            archive_in(listing, RELEASE).as_deref(),
            Some("http://mirror.example/deb/")
        );
    }

    #[test]
    fn a_release_by_another_name_is_found_by_the_archives_name() {
        let listing = "http://mirror.example/debian-security/ stable-security main\n\
            http://mirror.example/debian/ stable main\n";
        assert_eq!(
            archive_in(listing, RELEASE).as_deref(),
            Some("http://mirror.example/debian/")
        );
        assert_eq!(
            archive_in("http://other.example/apt/ nodistro main\n", RELEASE),
            None
        );
    }

    #[test]
    fn a_package_that_is_there_is_not_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let lists = dir.path().join("lists");
        Suite::new("trixie", &lists)
            .unpacked("no such package", dir.path())
            .unwrap();
        assert!(!lists.exists());
    }
}

//! Orders kernel modules so that `insmod` can load them one after the other.
//!
//! Each module names the modules that it needs in its ELF section `.modinfo` (`depends=a,b`), so
//! that `depmod` is not needed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// The reason for which kernel modules can't be read or ordered.
#[derive(Debug, Error)]
pub enum ModulesError {
    /// A directory or file of the kernel package can't be read.
    #[error("can't read {path}")]
    Read {
        /// The path of the directory or file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
    /// The file is not an ELF object with a readable section `.modinfo`.
    #[error("{path} is no kernel module")]
    Module {
        /// The path of the file.
        path: PathBuf,
        /// The reason for which the section can't be read.
        #[source]
        source: ModinfoError,
    },
    /// The kernel package has no such module, neither as a file nor built into the kernel.
    #[error(
        "the kernel package has no module `{name}` (wanted by {wanted_by}): take it out of the list of modules"
    )]
    Missing {
        /// The module's name.
        name: String,
        /// The name of the module that depends on it, or `the image` if the image's own list of modules names it.
        wanted_by: String,
    },
    /// Some modules need each other, so that none of them can be loaded first.
    #[error("module `{name}` needs itself by way of others")]
    Cycle {
        /// The name of one module of the cycle.
        name: String,
    },
}

/// The reason for which the section `.modinfo` of a kernel module can't be read.
#[derive(Debug, Error)]
pub enum ModinfoError {
    /// The file is not an ELF object, or the section is damaged.
    #[error(transparent)]
    Object(#[from] object::Error),
    /// The file has no section `.modinfo`.
    #[error("it has no section .modinfo")]
    NoSection,
}

/// The kernel modules of one kernel package: the path of each, and the names of those that are
/// built into the kernel.
#[derive(Debug, Clone, Default)]
pub struct ModuleTree {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

/// A kernel module for an initramfs, which the guest loads at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The module's name as the kernel shows it, with underscores, such as `virtio_net`.
    pub name: String,
    /// The content of the module's `.ko` file.
    pub contents: Vec<u8>,
}

impl ModuleTree {
    /// Reads the names of the modules below `dir`, which is the `lib/modules/VERSION` of a kernel
    /// package.
    ///
    /// # Errors
    /// Returns [`ModulesError::Read`] if a directory or file can't be read.
    pub fn read(dir: &Path) -> Result<Self, ModulesError> {
        let mut tree = Self::default();
        let mut dirs = vec![dir.join("kernel")];
        while let Some(dir) = dirs.pop() {
            let failed = |source| ModulesError::Read {
                path: dir.clone(),
                source,
            };
            for entry in fs::read_dir(&dir).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_type().map_err(failed)?.is_dir() {
                    dirs.push(entry.path());
                } else if let Some(name) = module_name(&entry.path()) {
                    tree.files.insert(name, entry.path());
                }
            }
        }
        let path = dir.join("modules.builtin");
        let built_in =
            fs::read_to_string(&path).map_err(|source| ModulesError::Read { path, source })?;
        tree.built_in = built_in
            .lines()
            .filter_map(|line| module_name(Path::new(line)))
            .collect();
        Ok(tree)
    }

    /// Returns all modules of the package, ordered by name, each with its dependencies and aliases. Leaves out modules
    /// whose file is below one of the directories `without` (relative to `kernel/`), and modules that depend on one
    /// that is left out or missing.
    ///
    /// # Errors
    /// Returns [`ModulesError::Read`] if a file can't be read, [`ModulesError::Module`] if it is not a module.
    pub fn all_but(&self, without: &[&str]) -> Result<Vec<Described>, ModulesError> {
        let mut described = BTreeMap::new();
        for (name, path) in &self.files {
            let shown = path.to_string_lossy();
            if without
                .iter()
                .any(|dir| shown.contains(&format!("/kernel/{dir}/")))
            {
                continue;
            }
            let contents = fs::read(path).map_err(|source| ModulesError::Read {
                path: path.clone(),
                source,
            })?;
            let failed = |source| ModulesError::Module {
                path: path.clone(),
                source,
            };
            let info = with_modinfo(&contents, |info| info.to_vec()).map_err(failed)?;
            let mut needs = values(&info, b"depends=");
            needs.retain(|needed| !self.built_in.contains(needed));
            let soft = values_whole(&info, b"softdep=");
            let before = soft.iter().filter_map(|soft| soft.strip_prefix("pre:"));
            let before = before.flat_map(|names| {
                let names = names.split("post:").next().unwrap_or_default();
                names.split_ascii_whitespace().map(str::to_owned)
            });
            let before = before.collect();
            described.insert(
                name.clone(),
                Described {
                    name: name.clone(),
                    path: path.clone(),
                    needs,
                    before,
                    aliases: values_whole(&info, b"alias="),
                },
            );
        }
        soften(&mut described);
        Ok(ordered(&described))
    }

    /// Returns the modules of these names (with underscores, such as `virtio_net`) and all modules that they depend on,
    /// in an order in which they can be loaded. Leaves out modules that are built into the kernel.
    ///
    /// # Errors
    /// Returns [`ModulesError::Missing`] if the kernel does not have a module, [`ModulesError::Cycle`] if modules need
    /// each other, [`ModulesError::Read`] or [`ModulesError::Module`] if a file can't be read.
    pub fn closure(&self, wanted: &[&str]) -> Result<Vec<Module>, ModulesError> {
        let mut walk = Walk {
            tree: self,
            entered: BTreeSet::new(),
            done: BTreeSet::new(),
            order: Vec::new(),
        };
        for name in wanted {
            walk.visit(name, "the image")?;
        }
        Ok(walk.order)
    }
}

/// A kernel module with its dependencies and aliases, for the disk of kernel modules that a guest loads on demand.
/// [`ModuleTree::all_but`] returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The module's name as the kernel shows it, with underscores, such as `virtio_net`.
    pub name: String,
    /// The path of the module's `.ko` file in the unpacked kernel package on this machine.
    pub path: PathBuf,
    /// The names of all modules that must be loaded before this one, indirect dependencies included, in the order of
    /// loading.
    pub needs: Vec<String>,
    /// The aliases by which the kernel asks user space to load the module: patterns of fnmatch(3), such as
    /// `virtio:d00000001v*`.
    pub aliases: Vec<String>,
    /// Modules, or aliases of some, that it does better with.
    before: Vec<String>,
}

/// Lets what a module does better with be loaded before it, where it is there.
fn soften(described: &mut BTreeMap<String, Described>) {
    let mut bearers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for module in described.values() {
        for alias in module.aliases.iter().chain([&module.name]) {
            bearers
                .entry(alias.clone())
                .or_default()
                .push(module.name.clone());
        }
    }
    for module in described.values_mut() {
        for name in std::mem::take(&mut module.before) {
            let named = bearers
                .get(&name)
                .or_else(|| bearers.get(&name.replace('-', "_")));
            let others = named.into_iter().flatten();
            let own = module.name.clone();
            module
                .needs
                .extend(others.filter(|other| **other != own).cloned());
        }
    }
}

/// Returns each module behind those that it needs, without modules that need a missing one.
fn ordered(described: &BTreeMap<String, Described>) -> Vec<Described> {
    let whole = described.values().filter_map(|module| {
        let mut needs = Vec::new();
        let mut entered = BTreeSet::from([module.name.as_str()]);
        for needed in &module.needs {
            add_needed(described, needed, &mut entered, &mut needs)?;
        }
        Some(Described {
            needs,
            ..module.clone()
        })
    });
    whole.collect()
}

/// Its depth is bounded by the number of modules: each is entered once.
fn add_needed<'a>(
    described: &'a BTreeMap<String, Described>,
    name: &'a str,
    entered: &mut BTreeSet<&'a str>,
    order: &mut Vec<String>,
) -> Option<()> {
    if !entered.insert(name) {
        return Some(());
    }
    for needed in &described.get(name)?.needs {
        add_needed(described, needed, entered, order)?;
    }
    order.push(name.to_owned());
    Some(())
}

/// Returns the content of the file `index` of a disk of kernel modules, as the guest's init (`container-init`) reads
/// it. A line `module NAME NEEDED...` names a module and those to load before it; a line `alias PATTERN NAME` names the
/// module for an alias.
#[must_use]
pub fn index(modules: &[Described]) -> String {
    let mut text = String::new();
    for module in modules {
        text.push_str("module ");
        text.push_str(&module.name);
        for needed in &module.needs {
            text.push(' ');
            text.push_str(needed);
        }
        text.push('\n');
    }
    for module in modules {
        // The kernel asks for no alias with a space.
        for alias in module.aliases.iter().filter(|alias| !alias.contains(' ')) {
            text.push_str(&format!("alias {alias} {}\n", module.name));
        }
    }
    text
}

/// A depth-first walk over the modules; its depth is bounded by the number of modules.
struct Walk<'a> {
    tree: &'a ModuleTree,
    entered: BTreeSet<String>,
    done: BTreeSet<String>,
    order: Vec<Module>,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str, wanted_by: &str) -> Result<(), ModulesError> {
        if self.tree.built_in.contains(name) || self.done.contains(name) {
            return Ok(());
        }
        if !self.entered.insert(name.to_owned()) {
            return Err(ModulesError::Cycle {
                name: name.to_owned(),
            });
        }
        let missing = || ModulesError::Missing {
            name: name.to_owned(),
            wanted_by: wanted_by.to_owned(),
        };
        let path = self.tree.files.get(name).ok_or_else(missing)?;
        let contents = fs::read(path).map_err(|source| ModulesError::Read {
            path: path.clone(),
            source,
        })?;
        let needed = needs(&contents).map_err(|source| ModulesError::Module {
            path: path.clone(),
            source,
        })?;
        for needed in needed {
            self.visit(&needed, name)?;
        }
        self.done.insert(name.to_owned());
        self.order.push(Module {
            name: name.to_owned(),
            contents,
        });
        Ok(())
    }
}

/// Returns the names in the `depends=` entry of a module's `.modinfo` section.
///
/// # Errors
/// Returns [`ModinfoError`] if the module has no readable section `.modinfo`.
fn needs(module: &[u8]) -> Result<Vec<String>, ModinfoError> {
    with_modinfo(module, needs_in_modinfo)
}

/// Returns what `read` makes of a module's section `.modinfo`.
///
/// # Errors
/// Returns [`ModinfoError`] if the module has no readable section `.modinfo`.
fn with_modinfo<T>(module: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<T, ModinfoError> {
    let file = object::File::parse(module)?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or(ModinfoError::NoSection)?;
    let info = section.data()?;
    Ok(read(info))
}

fn needs_in_modinfo(info: &[u8]) -> Vec<String> {
    values(info, b"depends=")
}

/// Returns the names in the entries of a key, separated by commas.
fn values(info: &[u8], key: &[u8]) -> Vec<String> {
    let entries = values_whole(info, key);
    let names = entries.iter().flat_map(|names| names.split(','));
    names
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// Returns the entries of a key: `.modinfo` is a run of `key=value` strings, each ended by a zero
/// byte.
fn values_whole(info: &[u8], key: &[u8]) -> Vec<String> {
    info.split(|byte| *byte == 0)
        .filter_map(|entry| entry.strip_prefix(key))
        .filter_map(|value| std::str::from_utf8(value).ok())
        .map(str::to_owned)
        .collect()
}

/// Returns the module's name as the kernel shows it: `crc32c_intel` for `crc32c-intel.ko`.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

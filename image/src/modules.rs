//! Kernel modules in the order in which `insmod` can load them.
//!
//! Each module names the modules that it needs in its ELF section `.modinfo` (`depends=a,b`), so no `depmod` is needed.
//! Soft dependencies are not followed: those of the modules wanted here are built into the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Why the modules can't be put in order.
#[derive(Debug, Error)]
pub enum ModulesError {
    /// A folder or file of the kernel package can't be read.
    #[error("can't read {path}")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is no ELF object with a readable `.modinfo` section.
    #[error("{path} is no kernel module: {reason}")]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel has no such module, built in or not.
    #[error(
        "the kernel package has no module `{name}` (wanted by {wanted_by}): take it out of the list of modules"
    )]
    Missing {
        /// The module's name.
        name: String,
        /// The module that needs it, or `the image`.
        wanted_by: String,
    },
    /// Modules that need one another.
    #[error("module `{name}` needs itself by way of others")]
    Cycle {
        /// One module of the cycle.
        name: String,
    },
}

/// The modules of one kernel package: where each file is, and which are built in.
#[derive(Debug, Clone, Default)]
pub struct ModuleTree {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
}

/// One module to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The name as the kernel shows it, with underscores.
    pub name: String,
    /// The contents of its `.ko` file.
    pub contents: Vec<u8>,
}

impl ModuleTree {
    /// Reads the names below `folder`, which is a package's `lib/modules/VERSION`.
    pub fn read(folder: &Path) -> Result<Self, ModulesError> {
        let mut tree = Self::default();
        let mut folders = vec![folder.join("kernel")];
        while let Some(folder) = folders.pop() {
            let failed = |source| ModulesError::Read {
                path: folder.clone(),
                source,
            };
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_type().map_err(failed)?.is_dir() {
                    folders.push(entry.path());
                } else if let Some(name) = module_name(&entry.path()) {
                    tree.files.insert(name, entry.path());
                }
            }
        }
        let path = folder.join("modules.builtin");
        let built_in =
            fs::read_to_string(&path).map_err(|source| ModulesError::Read { path, source })?;
        tree.built_in = built_in
            .lines()
            .filter_map(|line| module_name(Path::new(line)))
            .collect();
        Ok(tree)
    }

    /// The wanted modules and all that they need, each after what it needs. Built-in ones are left out.
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
        let needed = needs(&contents).map_err(|reason| ModulesError::Module {
            path: path.clone(),
            reason,
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

/// The names in the `depends=` entry of a module's `.modinfo` section.
fn needs(module: &[u8]) -> Result<Vec<String>, String> {
    let file = object::File::parse(module).map_err(|error| error.to_string())?;
    let section = file
        .section_by_name(".modinfo")
        .ok_or("it has no section .modinfo")?;
    let info = section.data().map_err(|error| error.to_string())?;
    Ok(needs_in_modinfo(info))
}

/// `.modinfo` is a run of `key=value` strings, each ended by a zero byte.
fn needs_in_modinfo(info: &[u8]) -> Vec<String> {
    info.split(|byte| *byte == 0)
        .filter_map(|entry| entry.strip_prefix(b"depends="))
        .filter_map(|names| std::str::from_utf8(names).ok())
        .flat_map(|names| names.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// The kernel shows `crc32c-intel.ko` as `crc32c_intel`.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".ko")?;
    Some(name.replace('-', "_"))
}

//! Inserts a layer's entry into the tree, at the path to which the kernel and overlayfs would
//! resolve it.

use super::{LayerError, Leaf, Node, ROOT, Tree, What, implied};
use crate::tar::{Entry, Kind};
use std::collections::{BTreeMap, VecDeque};

/// How many symbolic links are followed in one path (MAXSYMLINKS of linux/namei.h).
const MAX_LINKS: usize = 40;

impl Tree {
    /// Inserts an entry at `path`, the `ordinal`-th of its layer.
    ///
    /// # Errors
    /// Returns [`LayerError`] if the path is not valid, or the image is beyond a limit.
    pub(super) fn insert(
        &mut self,
        path: &[Vec<u8>],
        mut entry: Entry,
        ordinal: usize,
    ) -> Result<(), LayerError> {
        let shown = std::mem::take(&mut entry.path);
        let wrong = |why| LayerError::Path {
            path: String::from_utf8_lossy(&shown).into_owned(),
            why,
        };
        let layer = self.layers;
        let Some((name, parents)) = path.split_last() else {
            let What::Dir(root, _) = &mut self.nodes[ROOT].what else {
                return Err(wrong("is no folder"));
            };
            if entry.kind != Kind::Dir {
                return Err(wrong("stands for the root, and is no folder"));
            }
            *root = entry;
            return Ok(());
        };
        let parent = self
            .dir(parents, true)
            .ok_or_else(|| wrong("has too many symbolic links in it"))?;
        let there = self.child(parent, name);
        let what = match &entry.kind {
            Kind::Dir => {
                let kept = there.map(|node| &mut self.nodes[node].what);
                if let Some(What::Dir(before, _)) = kept {
                    *before = entry;
                    if let Some(node) = there {
                        self.nodes[node].layer = layer;
                    }
                    return Ok(());
                }
                What::Dir(entry, BTreeMap::new())
            }
            Kind::Hardlink(target) => {
                let target = self.components(target)?;
                let leaf = self.leaf(&target);
                What::Leaf(leaf.ok_or_else(|| wrong("is a hard link to a file that is not there"))?)
            }
            _ => {
                self.leaves.push(Leaf {
                    entry,
                    layer,
                    ordinal,
                });
                What::Leaf(self.leaves.len() - 1)
            }
        };
        self.hang(parent, name, what);
        Ok(())
    }

    fn child(&self, parent: usize, name: &[u8]) -> Option<usize> {
        match &self.nodes[parent].what {
            What::Dir(_, children) => children.get(name).copied(),
            What::Leaf(_) => None,
        }
    }

    fn hang(&mut self, parent: usize, name: &[u8], what: What) -> usize {
        let node = self.nodes.len();
        let layer = self.layers;
        self.nodes.push(Node { layer, what });
        if let What::Dir(_, children) = &mut self.nodes[parent].what {
            children.insert(name.to_owned(), node);
        }
        node
    }

    /// Returns the leaf that a hard link's path leads to.
    fn leaf(&mut self, path: &[Vec<u8>]) -> Option<usize> {
        let (name, parents) = path.split_last()?;
        let parent = self.dir(parents, false)?;
        match self.nodes[self.child(parent, name)?].what {
            What::Leaf(leaf) => Some(leaf),
            What::Dir(..) => None,
        }
    }

    /// Returns the directory that a path leads to. A symbolic link of the same layer is followed within the image;
    /// one of a layer below is replaced by a directory, since overlayfs would show that in its place. A missing
    /// directory is made if `make` is set. Returns `None` for a missing one otherwise, or if links lead in a circle.
    fn dir(&mut self, path: &[Vec<u8>], make: bool) -> Option<usize> {
        let mut stack = vec![ROOT];
        let mut ahead: VecDeque<Vec<u8>> = path.iter().cloned().collect();
        let mut links = 0;
        while let Some(name) = ahead.pop_front() {
            let at = *stack.last()?;
            if name == b".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let there = self.child(at, &name);
            let next = match there.map(|node| (node, &self.nodes[node])) {
                Some((node, found)) => match &found.what {
                    What::Dir(..) => Some(node),
                    What::Leaf(leaf) => match &self.leaves[*leaf].entry.kind {
                        Kind::Symlink(target) if found.layer == self.layers || !make => {
                            links += 1;
                            if links > MAX_LINKS {
                                return None;
                            }
                            if target.starts_with(b"/") {
                                stack.truncate(1);
                            }
                            let names = target.split(|byte| *byte == b'/');
                            let names = names.filter(|name| !matches!(*name, b"" | b"."));
                            for name in names.rev() {
                                ahead.push_front(name.to_owned());
                            }
                            continue;
                        }
                        _ => None,
                    },
                },
                None => None,
            };
            let next = match next {
                Some(node) => node,
                None if make => self.hang(at, &name, What::Dir(implied(), BTreeMap::new())),
                None => return None,
            };
            stack.push(next);
        }
        stack.pop()
    }
}

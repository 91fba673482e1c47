//! Makes one squashfs of layers: they are merged into one archive, which `sqfstar` reads from a pipe.
//!
//! The crate `backhand` (0.25) does not take the place of `sqfstar`: it writes no extended attributes (file capabilities
//! would be lost) and no hard links. Of an archive of 359 MB on two processors it made 171 MB in 7 s, by one thread, with
//! all files in memory (484 MB) until it wrote; `sqfstar` made 164 MB in 2.6 s within its 256 MB.

use super::{WorkError, root_owner};
use crate::digest::Digest;
use crate::job::{ROOTFS, layer_file};
use crate::layer::Unpacked;
use crate::limits::Limits;
use crate::merge::{self, MergeError, Tree};
use crate::sandbox::PROCESSORS;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read};
use std::process::{Command, Stdio};

/// The most bytes of the output of `sqfstar` in an error.
const REASON_BYTES: u64 = 4096;
/// Between merging and squashing.
const PIPE_BYTES: usize = 1 << 20;

/// Makes the root file system of an image, a squashfs, from its layers in the current directory.
///
/// # Errors
/// Returns [`WorkError`] if a layer is broken or has another digest, the image is beyond the
/// limits, or `sqfstar` fails.
pub(super) fn make(layers: &[Digest], limits: Limits) -> Result<(), WorkError> {
    let mut tree = Tree::new(limits);
    for (n, declared) in layers.iter().enumerate() {
        let file = layer_file(n);
        let packed = |source| WorkError::Packing {
            file: file.clone(),
            source,
        };
        let mut unpacked = open(n, limits)?;
        let broken = |source| MergeError::Layer { layer: n, source };
        let (entries, _) = merge::entries(&mut unpacked, limits).map_err(broken)?;
        let (found, _) = unpacked.finish().map_err(packed)?;
        if found != *declared {
            return Err(WorkError::Other {
                layer: n,
                found,
                declared: *declared,
            });
        }
        tree.apply(entries).map_err(broken)?;
    }
    let plan = tree.plan();
    // `sqfstar` 4.5 passes over the archive's own root.
    let root = plan.dirs.first();
    let number = |number: Option<u64>| number.unwrap_or(0).to_string();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut sqfstar = Command::new("sqfstar")
        .arg("-processors")
        .arg(processors.min(PROCESSORS).to_string())
        .args(["-quiet", "-no-progress", "-exit-on-error", "-mem", "256M"])
        .args(["-noI", "-noId", "-comp", "lz4", "-mkfs-time", "0"])
        .arg("-root-mode")
        .arg(root.map_or_else(String::new, |root| format!("{:o}", root.mode)))
        .arg("-root-time")
        .arg(number(root.and_then(|root| root.mtime.try_into().ok())))
        .arg(ROOTFS)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(WorkError::Start)?;
    let emitted = match sqfstar.stdin.take() {
        Some(pipe) => {
            // Opened one after the other, as they are reached.
            let streams = layers.iter().enumerate();
            let streams = streams.map(|(n, _)| LazyReader::Unopened(n, limits));
            let pipe = BufWriter::with_capacity(PIPE_BYTES, pipe);
            merge::emit(&plan, streams, limits, pipe).map(drop)
        }
        None => Ok(()),
    };
    let mut reason = String::new();
    if let Some(stderr) = &mut sqfstar.stderr {
        let mut text = Vec::new();
        let read = stderr.take(REASON_BYTES).read_to_end(&mut text);
        read.map_err(|error| WorkError::Squash(error.to_string()))?;
        reason = String::from_utf8_lossy(&text).trim().to_owned();
    }
    let status = sqfstar.wait();
    let status = status.map_err(|error| WorkError::Squash(error.to_string()))?;
    // Where it ended first, its own reason says more than the broken pipe.
    match emitted {
        Err(error @ MergeError::Layer { .. }) => return Err(error.into()),
        Err(MergeError::Write(_)) | Ok(()) if !status.success() => {
            return Err(WorkError::Squash(format!("{status}: {reason}")));
        }
        Err(error) => return Err(error.into()),
        Ok(()) => {}
    }
    let owner = root.map_or([0; 2], |root| [root.uid, root.gid]);
    let own = nix::unistd::geteuid().as_raw();
    let leaves = plan.leaves.values().map(|(entry, _)| entry);
    let mut others = plan.dirs.iter().chain(leaves);
    let used = others.any(|entry| entry.uid == own || entry.gid == own);
    let squashed = OpenOptions::new().read(true).write(true).open(ROOTFS);
    squashed
        .and_then(|file| root_owner::set(&file, owner, (!used).then_some(own)))
        .map_err(|error| WorkError::Squash(error.to_string()))
}

fn open(n: usize, limits: Limits) -> Result<Unpacked<File>, WorkError> {
    let file = layer_file(n);
    let stream = File::open(&file).map_err(|source| WorkError::File {
        file: file.clone(),
        source,
    })?;
    Unpacked::new(stream, limits.unpacked_bytes.saturating_mul(2))
        .map_err(|source| WorkError::Packing { file, source })
}

/// A layer that is opened when it is first read.
enum LazyReader {
    Unopened(usize, Limits),
    Open(Box<Unpacked<File>>),
}

impl Read for LazyReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Self::Unopened(n, limits) = self {
            let opened = open(*n, *limits).map_err(std::io::Error::other)?;
            *self = Self::Open(Box::new(opened));
        }
        match self {
            Self::Open(stream) => stream.read(buffer),
            Self::Unopened(..) => Ok(0),
        }
    }
}

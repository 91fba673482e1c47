//! Does the jobs of the helper process `vch-image`, within its staging directory.

mod budget;
mod inspect;
mod load;
mod pull;
mod registry;
mod root_owner;
mod rootfs;

use crate::digest::Hasher;
use crate::job::{Arrived, Detail, Done, Failure, Job, Order, Piece, Progress, Word};
use crate::limits::Limits;
use crate::merge::{LayerError, MergeError};
use crate::tar::TarError;
use budget::Budget;
use registry::Registry;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use thiserror::Error;

/// Progress is told at most once in so many bytes.
const STEP_BYTES: u64 = 4 << 20;

/// The reason for which a job of the helper process failed.
#[derive(Debug, Error)]
pub(crate) enum WorkError {
    #[error("the order can't be read: {0}")]
    Order(#[source] serde_json::Error),
    #[error("can't use {file} in the staging folder: {source}")]
    File { file: String, source: io::Error },
    #[error("the client's archive can't be read: {0}")]
    Input(#[source] io::Error),
    #[error(
        "it has more than {} MiB packed: raise `images.packed_mib`, or use a smaller image", .0 >> 20
    )]
    Long(u64),
    #[error("broken archive: {0}")]
    Archive(#[from] TarError),
    #[error("broken archive: {0}")]
    Content(String),
    #[error("broken layer {file}: {source}")]
    Layer { file: String, source: LayerError },
    #[error("broken layer {file}: {source}")]
    Packing { file: String, source: io::Error },
    #[error("broken image: {0}")]
    Merge(#[from] MergeError),
    #[error(
        "broken image: layer {layer} unpacks to {found}, not to {declared} as its configuration says"
    )]
    Other {
        layer: usize,
        found: crate::digest::Digest,
        declared: crate::digest::Digest,
    },
    #[error("can't start `sqfstar`: on Debian install it by `apt-get install squashfs-tools`: {0}")]
    Start(#[source] io::Error),
    #[error("`sqfstar` failed: {0}")]
    Squash(String),
    #[error("{0}")]
    Missing(String),
    #[error("{0}")]
    Denied(String),
    #[error("the registry can't be used: {0}")]
    Registry(String),
    #[error("{0}")]
    Login(String),
    #[error("can't answer: {0}")]
    Answer(#[source] io::Error),
}

impl WorkError {
    fn failure(&self) -> Failure {
        match self {
            Self::Long(_)
            | Self::Archive(_)
            | Self::Content(_)
            | Self::Layer { .. }
            | Self::Packing { .. }
            | Self::Merge(_)
            | Self::Other { .. } => Failure::Content,
            Self::Missing(_) => Failure::Missing,
            Self::Denied(_) => Failure::Denied,
            Self::Registry(_) | Self::Login(_) => Failure::Registry,
            Self::Order(_)
            | Self::File { .. }
            | Self::Input(_)
            | Self::Start(_)
            | Self::Squash(_)
            | Self::Answer(_) => Failure::Own,
        }
    }
}

/// Does one job of the helper process in the current directory: reads the order (a line of JSON with the job and the
/// limits), and the archive that may follow it, from `input`. Writes progress and the result to `output`, each as a
/// line of JSON. This is all that the program `vch-image` does once it is confined.
///
/// # Errors
/// Returns an error if the result can't be written. A job that fails is no error: the result has the reason.
pub fn work(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let word = match obey(input, &mut output) {
        Ok(done) => Word::Done(done),
        Err(error) => Word::Failed(error.failure(), error.to_string()),
    };
    send(&mut output, &word)
}

fn obey(mut input: impl BufRead, output: &mut impl Write) -> Result<Done, WorkError> {
    let mut line = Vec::new();
    input
        .read_until(b'\n', &mut line)
        .map_err(WorkError::Input)?;
    let order: Order = serde_json::from_slice(&line).map_err(WorkError::Order)?;
    let limits = order.limits;
    let arrived = match order.job {
        Job::Import => {
            let piece = receive(input, "layer", limits, output)?;
            let layers = vec![Budget::new(limits).examine(piece)?];
            let (names, config) = (Vec::new(), None);
            vec![Arrived {
                names,
                config,
                layers,
            }]
        }
        Job::Load => load::load(input, limits, output)?,
        Job::Pull(request) => pull::pull(&request, limits, output)?,
        Job::Login(request) => {
            let credentials = Some(&request.credentials);
            let mut registry = Registry::new(&request.registry, request.plain, credentials, limits);
            registry.log_in()?;
            Vec::new()
        }
        Job::Inspect(request) => {
            return inspect::inspect(&request, limits)
                .map(|found| Done::Described(Box::new(found)));
        }
        Job::Tags(request) => return inspect::tags(&request, limits).map(Done::Tags),
        Job::Rootfs { layers } => {
            rootfs::make(&layers, limits)?;
            Vec::new()
        }
    };
    Ok(Done::Arrived(arrived))
}

fn send(output: &mut impl Write, word: &Word) -> io::Result<()> {
    serde_json::to_writer(&mut *output, word)?;
    output.write_all(b"\n")?;
    output.flush()
}

fn tell(output: &mut impl Write, status: &str, id: &str, detail: Detail) -> Result<(), WorkError> {
    let progress = Progress {
        status: Some(status.to_owned()),
        id: Some(id.to_owned()),
        progress_detail: Some(detail),
        stream: None,
    };
    send(output, &Word::Progress(progress)).map_err(WorkError::Answer)
}

/// Writes a stream to a file of the staging directory.
fn receive(
    mut input: impl Read,
    file: &str,
    limits: Limits,
    output: &mut impl Write,
) -> Result<Piece, WorkError> {
    let failed = |source| WorkError::File {
        file: file.to_owned(),
        source,
    };
    let mut sink = File::create_new(file).map_err(failed)?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let (mut size, mut told) = (0, 0);
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(WorkError::Input(error)),
        };
        size += count as u64;
        if size > limits.packed_bytes {
            return Err(WorkError::Long(limits.packed_bytes));
        }
        hasher.update(&buffer[..count]);
        sink.write_all(&buffer[..count]).map_err(failed)?;
        if size - told >= STEP_BYTES {
            told = size;
            let detail = Detail {
                current: Some(size),
                total: None,
            };
            tell(output, "Importing", file, detail)?;
        }
    }
    Ok(Piece {
        file: file.to_owned(),
        digest: hasher.finish(),
        size,
    })
}

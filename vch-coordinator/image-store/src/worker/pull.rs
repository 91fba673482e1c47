//! Pulls images from a registry.

use super::budget::Budget;
use super::registry::Registry;
use super::{WorkError, send};
use crate::config::Config;
use crate::digest::{Digest, Hasher};
use crate::job::{Arrived, ArrivedLayer, Detail, Piece, Progress, Pull, Word};
use crate::limits::Limits;
use crate::oci::{self, Descriptor, Index, Manifest};
use crate::reference::{Reference, Which};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

/// How often transfers of one image are taken up again where they broke off.
const RETRIES: u32 = 10;
const STEP_BYTES: u64 = 1 << 20;

/// A pull that goes on.
struct Fetch<'a, W> {
    registry: Registry<'a>,
    request: &'a Pull,
    limits: Limits,
    output: &'a mut W,
    retries: u32,
}

/// Fetches images from a registry into the current directory, and reports progress to `output`.
/// Returns the images.
///
/// # Errors
/// Returns [`WorkError`] if the registry can't be used, does not have an image or denies access, or
/// if an image is broken or beyond the limits.
pub(super) fn pull(
    request: &Pull,
    limits: Limits,
    output: &mut impl Write,
) -> Result<Vec<Arrived>, WorkError> {
    let credentials = request.credentials.as_ref();
    let mut fetch = Fetch {
        registry: Registry::new(request.name.registry(), request.plain, credentials, limits),
        request,
        limits,
        output,
        retries: RETRIES,
    };
    fetch
        .image()
        .map_err(|error| not_shown(error, &request.name))
}

/// Returns the error that Docker shows for an image that the user may not see, which says no more.
pub(super) fn not_shown(error: WorkError, name: &Reference) -> WorkError {
    match error {
        WorkError::Denied(_) => WorkError::Missing(format!(
            "pull access denied for {}, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied",
            name.familiar_repository()
        )),
        error => error,
    }
}

impl<W: Write> Fetch<'_, W> {
    fn image(&mut self) -> Result<Vec<Arrived>, WorkError> {
        let name = &self.request.name;
        let tag = name.which().reference();
        let (top, bytes) = self.manifest(&tag)?;
        if let Which::Digest(said) = name.which() {
            expect(*said, top)?;
        }
        // Whatever fails before this is the request's own answer.
        self.status(Some(&tag), format!("Pulling from {}", name.path()))?;
        let manifest = self.for_us(&bytes)?;
        self.measure(&manifest)?;
        let id = manifest.config.digest;
        let known = self.request.images.contains(&id);
        let mut layers = Vec::new();
        if !known {
            self.blob(&manifest.config, "config", None)?;
            layers = self.layers(&manifest.layers)?;
            agree(&layers)?;
        }
        self.status(None, format!("Digest: {top}"))?;
        let what = if known {
            "Image is up to date"
        } else {
            "Downloaded newer image"
        };
        self.status(None, format!("Status: {what} for {}", name.familiar()))?;
        let mut names = vec![name.clone(), name.with(Which::Digest(top))];
        names.dedup();
        let config = Some(Piece {
            file: "config".to_owned(),
            digest: id,
            size: manifest.config.size,
        });
        Ok(vec![Arrived {
            names,
            config,
            layers,
        }])
    }

    fn manifest(&mut self, reference: &str) -> Result<(Digest, Vec<u8>), WorkError> {
        let path = self.request.name.path();
        let found = self.registry.manifest(path, reference, self.limits)?;
        found.ok_or_else(|| {
            let name = self.request.name.familiar();
            let what = format!("manifest for {name} not found: manifest unknown: manifest unknown");
            WorkError::Missing(what)
        })
    }

    /// Checks the sizes that the manifest states, before anything is fetched; each blob is held to
    /// its own.
    fn measure(&self, manifest: &Manifest) -> Result<(), WorkError> {
        let limits = self.limits;
        if manifest.layers.len() > limits.layers {
            let most = limits.layers;
            let what = format!("the image has more than {most} layers");
            return Err(WorkError::Content(what));
        }
        if manifest.config.size > limits.document_bytes {
            let most = limits.document_bytes;
            let what = format!("its configuration has more than {most} bytes");
            return Err(WorkError::Content(what));
        }
        let sizes = manifest.layers.iter().map(|layer| layer.size);
        let whole = sizes.fold(0_u64, u64::saturating_add);
        if whole > limits.packed_bytes {
            return Err(WorkError::Long(limits.packed_bytes));
        }
        Ok(())
    }

    /// Fetches the layers, each once, the lowest first.
    fn layers(&mut self, wanted: &[Descriptor]) -> Result<Vec<ArrivedLayer>, WorkError> {
        let mut layers: Vec<ArrivedLayer> = Vec::new();
        let mut budget = Budget::new(self.limits);
        for (n, layer) in wanted.iter().enumerate() {
            let short = layer.digest.short();
            self.status(Some(&short), "Pulling fs layer".to_owned())?;
            let earlier = wanted.iter().position(|one| one.digest == layer.digest);
            if let Some(done) = earlier.and_then(|earlier| layers.get(earlier)).cloned() {
                budget.take(done.bytes)?;
                layers.push(done);
                continue;
            }
            let file = format!("blob{n}");
            self.blob(layer, &file, Some(&short))?;
            self.status(Some(&short), "Download complete".to_owned())?;
            let (digest, size) = (layer.digest, layer.size);
            layers.push(budget.examine(Piece { file, digest, size })?);
            self.status(Some(&short), "Pull complete".to_owned())?;
        }
        Ok(layers)
    }

    /// Returns the manifest for this machine; the first if there are several.
    fn for_us(&mut self, bytes: &[u8]) -> Result<Manifest, WorkError> {
        let wrong = |error| WorkError::Content(format!("its manifest: {error}"));
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(wrong)?;
        if value.get("manifests").is_none() {
            return serde_json::from_value(value).map_err(wrong);
        }
        let index: Index = serde_json::from_value(value).map_err(wrong)?;
        let ours = |one: &&Descriptor| one.is_for_us() && !oci::is_index(&one.media_type);
        let ours = index.manifests.iter().find(ours).ok_or_else(|| {
            let what = "no matching manifest for linux/amd64 in the manifest list entries";
            WorkError::Missing(what.to_owned())
        })?;
        let (found, bytes) = self.manifest(&ours.digest.to_string())?;
        expect(ours.digest, found)?;
        serde_json::from_slice(&bytes).map_err(wrong)
    }

    /// Fetches a blob to a file of the staging directory. A transfer that breaks off is continued.
    fn blob(
        &mut self,
        descriptor: &Descriptor,
        file: &str,
        progress_id: Option<&str>,
    ) -> Result<(), WorkError> {
        let mut sink = Transfer::new(file, descriptor, self.limits)?;
        loop {
            let path = self.request.name.path();
            let (mut body, from_start) = self.registry.blob(path, &descriptor.digest, sink.size)?;
            if from_start {
                sink.restart()?;
            }
            // What a connection that broke off has lost is not the next one's.
            sink.begin();
            let broken = loop {
                match sink.step(&mut body)? {
                    Step::More => {}
                    Step::Ended => break "it ended too early".to_owned(),
                    Step::Failed(why) => break why,
                }
                if let Some(id) = progress_id
                    && let Some(current) = sink.progress_due()
                {
                    let detail = Detail {
                        current: Some(current),
                        total: Some(descriptor.size),
                    };
                    super::tell(self.output, "Downloading", id, detail)?;
                }
            };
            if sink.size == descriptor.size {
                return expect(descriptor.digest, sink.hasher.finish());
            }
            if self.retries == 0 {
                let what = format!("{} breaks off again and again: {broken}", descriptor.digest);
                return Err(WorkError::Registry(what));
            }
            self.retries -= 1;
        }
    }

    fn status(&mut self, id: Option<&str>, status: String) -> Result<(), WorkError> {
        let progress = Progress {
            status: Some(status),
            id: id.map(str::to_owned),
            ..Progress::default()
        };
        send(self.output, &Word::Progress(progress)).map_err(WorkError::Answer)
    }
}

enum Step {
    More,
    Ended,
    Failed(String),
}

/// A blob on its way into a file.
struct Transfer<'a> {
    name: &'a str,
    descriptor: &'a Descriptor,
    limits: Limits,
    file: fs::File,
    hasher: Hasher,
    size: u64,
    told: u64,
    /// The time of the last check of the rate, and the bytes since then, including those that came
    /// twice.
    since: Instant,
    lately: u64,
    buffer: Vec<u8>,
}

impl<'a> Transfer<'a> {
    fn new(name: &'a str, descriptor: &'a Descriptor, limits: Limits) -> Result<Self, WorkError> {
        let opened = OpenOptions::new().write(true).create_new(true).open(name);
        Ok(Self {
            name,
            descriptor,
            limits,
            file: opened.map_err(|source| failed(name, source))?,
            hasher: Hasher::default(),
            size: 0,
            told: 0,
            since: Instant::now(),
            lately: 0,
            buffer: vec![0; 64 << 10],
        })
    }

    /// Notes that the registry sends from the start once more.
    fn restart(&mut self) -> Result<(), WorkError> {
        let opened = OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(self.name);
        self.file = opened.map_err(|source| failed(self.name, source))?;
        (self.size, self.told, self.hasher) = (0, 0, Hasher::default());
        Ok(())
    }

    fn begin(&mut self) {
        (self.since, self.lately) = (Instant::now(), 0);
    }

    fn step(&mut self, body: &mut impl Read) -> Result<Step, WorkError> {
        let count = match body.read(&mut self.buffer) {
            Ok(0) => return Ok(Step::Ended),
            Ok(count) => count,
            Err(error) => return Ok(Step::Failed(error.to_string())),
        };
        let bytes = &self.buffer[..count];
        self.size += count as u64;
        if self.size > self.descriptor.size {
            let what = format!("{} is longer than it says", self.descriptor.digest);
            return Err(WorkError::Registry(what));
        }
        self.hasher.update(bytes);
        let written = self.file.write_all(bytes);
        written.map_err(|source| failed(self.name, source))?;
        self.lately += count as u64;
        self.check_rate()?;
        Ok(Step::More)
    }

    /// Checks that the registry sends fast enough: one that sends a few bytes at a time is no
    /// better than a silent one.
    fn check_rate(&mut self) -> Result<(), WorkError> {
        let Limits {
            read_seconds,
            least_rate,
            ..
        } = self.limits;
        if self.since.elapsed() < Duration::from_secs(read_seconds) {
            return Ok(());
        }
        if self.lately < least_rate.saturating_mul(read_seconds) {
            let what = format!(
                "it sends {} at less than {least_rate} bytes a second",
                self.descriptor.digest
            );
            return Err(WorkError::Registry(what));
        }
        self.begin();
        Ok(())
    }

    /// Returns the progress in bytes, if it is worth a line.
    fn progress_due(&mut self) -> Option<u64> {
        if self.size - self.told < STEP_BYTES {
            return None;
        }
        self.told = self.size;
        Some(self.size)
    }
}

fn failed(file: &str, source: std::io::Error) -> WorkError {
    let file = file.to_owned();
    WorkError::File { file, source }
}

/// Checks that the layers are those of the configuration.
fn agree(layers: &[ArrivedLayer]) -> Result<(), WorkError> {
    let config = fs::read("config").map_err(|source| failed("config", source))?;
    let config: Config = serde_json::from_slice(&config)
        .map_err(|error| WorkError::Content(format!("its configuration: {error}")))?;
    let found: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    if found != config.rootfs.diff_ids {
        let what = "its layers are not those that its configuration tells of";
        return Err(WorkError::Content(what.to_owned()));
    }
    Ok(())
}

/// Checks that bytes have the digest that they should have.
///
/// # Errors
/// Returns [`WorkError`] if the digests differ.
pub(super) fn expect(said: Digest, found: Digest) -> Result<(), WorkError> {
    if said == found {
        return Ok(());
    }
    let what = format!("it sends {found} where {said} was asked for");
    Err(WorkError::Registry(what))
}

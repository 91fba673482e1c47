//! The images of a VCH, in one directory: an OCI image layout, and beside it what is made of it.
//!
//! ```text
//! images/oci-layout, index.json     what there is; index.json is replaced as a whole
//!        blobs/sha256/<hex>         layers, configurations, manifests; never changed
//!        rootfs/<hex>.squashfs      root file systems, by image ID; made when first asked for
//!        upper-<bytes>.ext4         the empty disk that containers' own are copied from
//!        staging/<random>/          one for each running helper; removed when it ends, or at `open`
//!        lost/                      what was found damaged; never removed by the store
//! ```

mod adopt;
mod conflict;
mod contents;
mod error;
mod index;
mod names;
mod remove;
mod room;
mod rootfs;
mod staging;
mod state;
mod writable_layer;

pub use conflict::Conflict;
pub use error::ImageError;
pub use remove::{Removed, Use};

use crate::changes;
use crate::config::{Config, Run};
use crate::digest::Digest;
use crate::job::{Arrived, Done, Job, Login, Order, Progress, Pull, Remote};
use crate::oci::{Descriptor, Distribution};
use crate::reference::{Reference, Which};
use crate::settings::Settings;
use crate::subprocess;
use error::failed;
use names::{find, is_loopback, rename};
use staging::{Purpose, Staging};
use state::Inner;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// An image in the store.
#[derive(Clone, Debug)]
pub struct Image {
    /// The image's ID: the digest of its configuration.
    pub id: Digest,
    /// The image's configuration.
    pub config: Config,
    /// The descriptor of the image's manifest.
    pub manifest: Descriptor,
    /// The descriptors of the packed layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// The bytes of the image's files, unpacked.
    pub bytes: u64,
    /// The names of the image, with tags and digests; empty for a dangling image.
    pub names: BTreeSet<Reference>,
}

/// The parameters of `docker import`. The archive is given to [`Store::import`] separately.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The name of the new image.
    pub name: Option<Reference>,
    /// The instructions of a Dockerfile (`--change`).
    pub changes: Vec<String>,
    /// The message for the image's history; empty for Docker's default.
    pub message: String,
    /// The present time, as in RFC 3339.
    pub created: String,
}

/// The disk usage of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The bytes of packed layers; several images may share one.
    pub layer_bytes: u64,
    /// The bytes of the root file systems that are made.
    pub rootfs_bytes: u64,
}

/// The images of a VCH. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens a store, or makes one. Removes what a crash left. Reads each image's manifest and configuration, so it
    /// has to be called where blocking is allowed. An image that can't be read is left out of the list: it is kept,
    /// and looked for again when it is asked for.
    ///
    /// # Errors
    /// Returns [`ImageError::File`] if the directory can't be used, [`ImageError::Index`] if its index.json can't be
    /// read.
    pub fn open(settings: Settings) -> Result<Self, ImageError> {
        let state = index::open(&settings)?;
        Ok(Self {
            inner: Arc::new(Inner::new(settings, state)),
        })
    }

    /// Returns all images, ordered by ID. Does not wait for a disk.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.inner.state().images.values().cloned().collect()
    }

    /// Returns the image of a text: a name, an ID, or the beginning of an ID, in this order, as
    /// dockerd does. Does not wait for a disk.
    ///
    /// # Errors
    /// Returns [`ImageError::Unknown`] if no image matches, [`ImageError::Ambiguous`] if several
    /// IDs begin so.
    pub fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        self.inner.find(text)
    }

    /// Makes an image of one layer from the archive of a root file system, packed or not.
    ///
    /// # Errors
    /// Returns [`ImageError::Change`] for a change that is not valid, [`ImageError::DigestTag`] for a
    /// name with a digest, [`ImageError::Helper`] if the archive is not valid, or the error of
    /// storing the image.
    pub async fn import(
        &self,
        archive: impl AsyncRead + Unpin,
        request: Import,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Arc<Image>, ImageError> {
        let mut run = Run::default();
        for change in &request.changes {
            changes::apply(&mut run, change)?;
        }
        if let Some(name) = &request.name
            && matches!(name.which(), Which::Digest(_))
        {
            return Err(ImageError::DigestTag);
        }
        let staging = self.staging().await?;
        let done = self
            .import_into(&staging, archive, request, run, progress)
            .await;
        staging::finish(staging).await;
        done
    }

    async fn import_into(
        &self,
        staging: &Arc<Staging>,
        archive: impl AsyncRead + Unpin,
        request: Import,
        run: Run,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Arc<Image>, ImageError> {
        let arrived = self.ask(staging, Job::Import, archive, progress).await?;
        let one = only(arrived)?;
        let config = adopt::imported(&request, run, &one);
        let arrived = Arrived {
            names: request.name.into_iter().collect(),
            ..one
        };
        self.adopt(staging, arrived, Some(config)).await
    }

    /// Stores the images of an archive that `docker save` wrote or that has OCI's layout.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the archive is not valid, or the error of storing an
    /// image.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Unpin,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Vec<Arc<Image>>, ImageError> {
        let staging = self.staging().await?;
        let done = self.load_into(&staging, archive, progress).await;
        staging::finish(staging).await;
        done
    }

    async fn load_into(
        &self,
        staging: &Arc<Staging>,
        archive: impl AsyncRead + Unpin,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Vec<Arc<Image>>, ImageError> {
        let mut loaded = Vec::new();
        for arrived in self.ask(staging, Job::Load, archive, progress).await? {
            let names = arrived.names.clone();
            let image = self.adopt(staging, arrived, None).await?;
            let lines = if names.is_empty() {
                vec![format!("Loaded image ID: {}\n", image.id)]
            } else {
                let line = |name: &Reference| format!("Loaded image: {}\n", name.familiar());
                names.iter().map(line).collect()
            };
            for stream in lines {
                let line = Progress {
                    stream: Some(stream),
                    ..Progress::default()
                };
                // A client that has gone is not told.
                drop(progress.send(line).await);
            }
            loaded.push(image);
        }
        Ok(loaded)
    }

    /// Fetches an image from its registry, unless the store has it. Connects without TLS only to this machine, or to
    /// a registry of [`Settings::insecure`].
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the registry does not give the image, or the error of storing it.
    pub async fn pull(
        &self,
        name: Reference,
        credentials: Option<(String, String)>,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Arc<Image>, ImageError> {
        let plain = self.is_plain(name.registry());
        let images = self.blocking(|inner| inner.whole_images()).await?;
        let job = Job::Pull(Pull {
            name,
            credentials,
            plain,
            images,
        });
        let staging = self.staging().await?;
        let arrived = self
            .ask(&staging, job, tokio::io::empty(), progress)
            .await
            .and_then(only);
        let done = match arrived {
            Ok(one) => self.adopt(&staging, one, None).await,
            Err(error) => Err(error),
        };
        staging::finish(staging).await;
        done
    }

    /// Asks a registry (`host` or `host:port`) whether it accepts a user.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if it does not, or can't be asked.
    pub async fn log_in(
        &self,
        registry: String,
        credentials: (String, String),
    ) -> Result<(), ImageError> {
        let job = Job::Login(Login {
            plain: self.is_plain(&registry),
            registry,
            credentials,
        });
        let staging = self.staging().await?;
        let (progress, _) = mpsc::channel(1);
        let done = self.ask(&staging, job, tokio::io::empty(), &progress).await;
        staging::finish(staging).await;
        done.map(drop)
    }

    /// Asks a registry for the manifest or index under a name. Fetches no layer and stores nothing.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the registry does not have it, or can't be asked.
    pub async fn inspect_remote(
        &self,
        name: Reference,
        credentials: Option<(String, String)>,
    ) -> Result<Distribution, ImageError> {
        let job = Job::Inspect(self.remote(name, credentials));
        match self.ask_remote(job).await? {
            Done::Described(distribution) => Ok(*distribution),
            Done::Arrived(_) | Done::Tags(_) => Err(other_answer()),
        }
    }

    /// Asks a registry for the tags of a repository; the tag of `repository` is ignored. Tags that are not valid are
    /// left out.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the registry does not have the repository, or can't be asked.
    pub async fn remote_tags(
        &self,
        repository: Reference,
        credentials: Option<(String, String)>,
    ) -> Result<Vec<Reference>, ImageError> {
        let job = Job::Tags(self.remote(repository.clone(), credentials));
        match self.ask_remote(job).await? {
            Done::Tags(tags) => {
                let tags = tags.iter().filter(|tag| !tag.contains(':'));
                let named = tags.map(|tag| Reference::from_parts(&repository.repository(), tag));
                Ok(named.filter_map(Result::ok).collect())
            }
            Done::Arrived(_) | Done::Described(_) => Err(other_answer()),
        }
    }

    fn remote(&self, name: Reference, credentials: Option<(String, String)>) -> Remote {
        Remote {
            plain: self.is_plain(name.registry()),
            name,
            credentials,
        }
    }

    async fn ask_remote(&self, job: Job) -> Result<Done, ImageError> {
        let staging = self.staging().await?;
        let (progress, _) = mpsc::channel(1);
        let done = self.run(&staging, job, tokio::io::empty(), &progress).await;
        staging::finish(staging).await;
        done
    }

    fn is_plain(&self, registry: &str) -> bool {
        let insecure = &self.inner.settings.insecure;
        is_loopback(registry) || insecure.iter().any(|one| one == registry)
    }

    /// Gives an image another name, which is taken from the image that has it.
    ///
    /// # Errors
    /// Returns [`ImageError::Unknown`] or [`ImageError::Ambiguous`] as [`Store::find`] does,
    /// [`ImageError::DigestTag`] if the name has a digest.
    pub async fn tag(&self, image: &str, name: Reference) -> Result<Arc<Image>, ImageError> {
        if matches!(name.which(), Which::Digest(_)) {
            return Err(ImageError::DigestTag);
        }
        let image = image.to_owned();
        self.blocking(move |inner| {
            inner.change(|images| {
                let id = find(images, &image)?.id;
                rename(images, id, [name]);
                images.get(&id).cloned().ok_or(ImageError::Unknown(image))
            })
        })
        .await
    }

    /// Returns the bytes on disk: packed layers, each once, and root file systems.
    ///
    /// # Errors
    /// Returns [`ImageError::File`] if a file can't be examined.
    pub async fn usage(&self) -> Result<Usage, ImageError> {
        self.blocking(|inner| {
            let state = inner.state();
            let images = &state.images;
            let all = images.values().flat_map(|image| &image.layers);
            let layers: BTreeMap<_, _> = all.map(|layer| (layer.digest, layer.size)).collect();
            let dir = &inner.settings.dir;
            let rootfs = images
                .keys()
                .map(|id| std::fs::metadata(index::rootfs(dir, id)));
            Ok(Usage {
                layer_bytes: layers.values().sum(),
                // Those that are not made yet take nothing.
                rootfs_bytes: rootfs.flatten().map(|about| about.len()).sum(),
            })
        })
        .await
    }

    async fn staging(&self) -> Result<Arc<Staging>, ImageError> {
        let (users, settings) = (&self.inner.users, &self.inner.settings);
        let staging = Staging::new(users, settings, Purpose::Arriving).await?;
        Ok(Arc::new(staging))
    }

    /// Runs a helper for the images that it leaves in its directory.
    async fn ask(
        &self,
        staging: &Arc<Staging>,
        job: Job,
        input: impl AsyncRead + Unpin,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Vec<Arrived>, ImageError> {
        match self.run(staging, job, input, progress).await? {
            Done::Arrived(arrived) => Ok(arrived),
            Done::Described(_) | Done::Tags(_) => Err(other_answer()),
        }
    }

    /// Starts a helper and waits for its end, or for the disk to be nearly full. Its directory is the store's own
    /// afterwards.
    async fn run(
        &self,
        staging: &Arc<Staging>,
        job: Job,
        input: impl AsyncRead + Unpin,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Done, ImageError> {
        let settings = &self.inner.settings;
        let keeps_nothing = matches!(job, Job::Login(_) | Job::Inspect(_) | Job::Tags(_));
        if !keeps_nothing {
            room::check(settings)?;
        }
        let limits = settings.limits;
        let order = Order { limits, job };
        let user = staging.user();
        let done = tokio::select! {
            done = subprocess::run(settings, &staging.path, user, &order, input, progress) => done?,
            error = room::watch(settings), if !keeps_nothing => return Err(error),
        };
        let staging = Arc::clone(staging);
        self.blocking(move |_| staging.reclaim()).await?;
        Ok(done)
    }

    async fn adopt(
        &self,
        staging: &Arc<Staging>,
        arrived: Arrived,
        config: Option<Config>,
    ) -> Result<Arc<Image>, ImageError> {
        let staging = Arc::clone(staging);
        self.blocking(move |inner| adopt::adopt(inner, &staging.path, &arrived, config))
            .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Arc<Inner>) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || operation(&inner)).await;
        done.map_err(|_| ImageError::Ending)?
    }
}

fn other_answer() -> ImageError {
    ImageError::DigestMismatch("the answer is one to another question".to_owned())
}

fn only(mut arrived: Vec<Arrived>) -> Result<Arrived, ImageError> {
    let one = arrived.pop();
    one.ok_or_else(|| ImageError::DigestMismatch("nothing arrived".to_owned()))
}

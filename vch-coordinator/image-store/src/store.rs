//! The images of this host (the VCH), in one directory: an OCI image layout, and beside it the
//! disks that are made from it.
//!
//! ```text
//! images/oci-layout, index.json     the list of images; index.json is replaced as a whole
//!        blobs/sha256/<hex>         layers, configurations, manifests; never changed
//!        rootfs/<hex>.squashfs      root file systems, by image ID; made when first asked for
//!        upper-<bytes>.ext4         the empty disk that containers' own disks are copied from
//!        staging/<random>/          one for each running helper process; removed when it ends, or at `open`
//!        lost/                      damaged files; never removed by the store
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

/// An image in the store, as it was when it was looked up.
#[derive(Clone, Debug)]
pub struct Image {
    /// The image's ID: the digest of its configuration, as in Docker.
    pub id: Digest,
    /// The image's configuration: the settings of its containers, its layers and its history.
    pub config: Config,
    /// The descriptor of the image's manifest.
    pub manifest: Descriptor,
    /// The descriptors of the layers as they are stored (compressed or not), the lowest first.
    pub layers: Vec<Descriptor>,
    /// The sum of the sizes of the files in all layers, uncompressed, in bytes; files that a higher layer replaces
    /// count. 0 if it is not known.
    pub bytes: u64,
    /// The names of the image, with tags or digests, such as `docker.io/library/busybox:latest`. Empty for an image
    /// without a name (dangling).
    pub names: BTreeSet<Reference>,
}

/// The parameters of `docker import`, for [`Store::import`].
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The name of the new image; `None` for an image without a name.
    pub name: Option<Reference>,
    /// Instructions of a Dockerfile that change the image's configuration (`--change`).
    pub changes: Vec<String>,
    /// The comment in the image's history (`--message`). Empty for Docker's default, `Imported from -`.
    pub message: String,
    /// The time of creation to record, as in RFC 3339.
    pub created: String,
}

/// How much of the host's disk an image store's layers and root file systems take. Containers' writable disks are not
/// in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The sum of the sizes of all images' layer files, as they are stored (compressed or not), in bytes. A layer that
    /// several images share counts once.
    pub layer_bytes: u64,
    /// The sum of the sizes of the images' root file systems (read-only squashfs files, one for each image that a
    /// container was started from), in bytes. What containers write is not in it.
    pub rootfs_bytes: u64,
}

/// The store of container images on this host (the VCH): pulls, loads, lists and removes images,
/// and makes the disks of VMs. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Opens the store in the directory of the settings, or makes it. Removes files that a crash left; moves damaged
    /// ones to `lost/`. An image whose files can't be read at present is left out of [`list`](Self::list); it is kept,
    /// and read again with each change of the store. Blocks the thread while it reads each image's manifest and
    /// configuration.
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

    /// Returns all images, ordered by ID. Does no I/O.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.inner.state().images.values().cloned().collect()
    }

    /// Returns the image that a user's text means: a whole ID, else a name (`latest` is the default tag), else the
    /// beginning of an ID, with or without `sha256:`. Does no I/O.
    ///
    /// # Errors
    /// Returns [`ImageError::Unknown`] if no image matches, [`ImageError::Ambiguous`] if the IDs of several images
    /// begin with the text.
    pub fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        self.inner.find(text)
    }

    /// Makes an image of one layer from the tar archive of a root file system, as `docker import` does, and returns it.
    /// The archive may be compressed by gzip or zstd. Another image that has the name loses it. Lines of progress are
    /// sent to `progress`.
    ///
    /// # Errors
    /// - [`ImageError::Change`] if an instruction of `request.changes` is not valid.
    /// - [`ImageError::DigestTag`] if the name has a digest.
    /// - [`ImageError::Helper`] if the archive is not valid, exceeds a limit or can't be read from the client.
    /// - [`ImageError::Room`] if the disk is nearly full.
    /// - [`ImageError::DigestMismatch`] or [`ImageError::File`] if the image can't be stored.
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

    /// Stores the images of an archive, as `docker load` does, and returns them. The archive is one that `docker save`
    /// wrote, or an OCI image layout, and may be compressed by gzip or zstd. Names of the archive are taken from other
    /// images that have them. Lines of progress are sent to `progress`.
    ///
    /// # Errors
    /// - [`ImageError::Helper`] if the archive is not valid, exceeds a limit or can't be read from the client.
    /// - [`ImageError::Room`] if the disk is nearly full.
    /// - [`ImageError::DigestMismatch`] or [`ImageError::File`] if an image can't be stored. Earlier ones stay.
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

    /// Fetches the image for linux/amd64 under a name from its registry, as `docker pull` does, and returns it. Fetches
    /// no layers if the store has the image; in both cases the image gets the name, and another image loses it.
    /// `credentials` are user and password, used if the registry asks for them. Connects without TLS only to a registry
    /// on this host, or to one in [`Settings::insecure`]. Lines of progress are sent to `progress`.
    ///
    /// # Errors
    /// - [`ImageError::Helper`] if the registry can't be used or does not give the image, or the image is not valid.
    /// - [`ImageError::Room`] if the disk is nearly full.
    /// - [`ImageError::DigestMismatch`] or [`ImageError::File`] if the image can't be stored.
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

    /// Asks a registry (`host` or `host:port`) whether it accepts a user and password, as `docker
    /// login` does. Stores nothing.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the registry does not accept them, or can't be used.
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

    /// Asks a registry for the manifest or index under a name, and returns its descriptor and platforms. Fetches no
    /// layer and stores nothing. `credentials` are user and password, used if the registry asks for them.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the registry does not have the name, or can't be used.
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

    /// Asks the registry of `repository` for all tags of that repository, and returns a reference for each. The tag or
    /// digest of `repository` is ignored. Tags that are not valid are left out. `credentials` are user and password,
    /// used if the registry asks for them.
    ///
    /// # Errors
    /// Returns [`ImageError::Helper`] if the registry does not have the repository, or can't be used.
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

    /// Gives an image a further name, as `docker tag` does, and returns the image. Another image that has the name
    /// loses it. `image` is a text as for [`Store::find`].
    ///
    /// # Errors
    /// Returns [`ImageError::Unknown`] or [`ImageError::Ambiguous`] as [`Store::find`] does, [`ImageError::DigestTag`]
    /// if the name has a digest, [`ImageError::File`] if index.json can't be written.
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

    /// Returns how much of the host's disk the layers and root file systems of the listed images take.
    ///
    /// # Errors
    /// Returns [`ImageError::Ending`] if the coordinator is stopping.
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

//! The images of a VCH, in one folder: an OCI image layout, and beside it what is made of it.
//!
//! ```text
//! images/oci-layout, index.json     what there is; index.json is replaced as a whole
//!        blobs/sha256/<hex>         layers, configurations, manifests; never changed
//!        rootfs/<hex>.squashfs      root file systems, by image ID; made when first asked for
//!        upper-<bytes>.ext4         the empty disk that containers' own are copied from
//!        staging/<random>/          one for each running helper; removed when it ends, or at `open`
//! ```

mod adopt;
mod index;
mod remove;
mod rootfs;
mod upper;

pub use remove::{Conflict, Removed, Use};

use crate::changes::{self, ChangeError};
use crate::config::Config;
use crate::digest::Digest;
use crate::job::{Arrived, Job, Order, Progress, Pull};
use crate::limits::Limits;
use crate::oci::Descriptor;
use crate::reference::{Reference, ReferenceError, Which};
use crate::subprocess::{self, HelperError};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

/// How a store is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where.
    pub folder: PathBuf,
    /// The program `vch-image`.
    pub helper: PathBuf,
    /// User and group that it runs as, if the coordinator is root.
    pub user: (u32, u32),
    /// Of a container's own disk.
    pub upper_bytes: u64,
    /// Registries that are asked without TLS, as `host` or `host:port`.
    pub insecure: Vec<String>,
    /// Of one image.
    pub limits: Limits,
}

impl Settings {
    /// User and group of helpers where nobody says otherwise: below those that Debian and systemd give out.
    pub const USER: (u32, u32) = (59_871, 59_871);
    /// Of a container's own disk where nobody says otherwise: what dockerd's device mapper gave, 10 GiB.
    pub const UPPER_BYTES: u64 = 10 << 30;
}

/// An image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of its configuration.
    pub id: Digest,
    /// Its configuration.
    pub config: Config,
    /// Its manifest.
    pub manifest: Descriptor,
    /// Its packed layers, the lowest first.
    pub layers: Vec<Descriptor>,
    /// Bytes of its files, unpacked.
    pub bytes: u64,
    /// Tags and digests that it goes by; none for a dangling one.
    pub names: BTreeSet<Reference>,
}

/// What `docker import` says of an image to be.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// Its name.
    pub name: Option<Reference>,
    /// Instructions of a Dockerfile (`--change`).
    pub changes: Vec<String>,
    /// For its history; empty for Docker's own words.
    pub message: String,
    /// Now, RFC 3339.
    pub created: String,
}

/// What a store takes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Packed layers; several images may share one.
    pub layer_bytes: u64,
    /// Root file systems that are made.
    pub rootfs_bytes: u64,
}

/// Why a store does not do what it was asked.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file of the store can't be used.
    #[error("can't {deed} {path}")]
    File {
        /// What was tried.
        deed: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The helper failed.
    #[error(transparent)]
    Helper(#[from] HelperError),
    /// What the helper says is not what it left.
    #[error("image refused: {0}")]
    Untrue(String),
    /// No such image. The words are dockerd's.
    #[error("No such image: {0}")]
    Unknown(String),
    /// Several images whose IDs begin so.
    #[error("{0}: several images have an ID that begins so: write more of it")]
    Ambiguous(String),
    /// Not a name.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// A name with a digest can't be given.
    #[error("refusing to create a tag with a digest reference")]
    DigestTag,
    /// Not a change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// It may not be removed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// An index.json that can't be read.
    #[error(
        "{path} is damaged: {reason}: restore it, or remove the folder to begin without images"
    )]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// mke2fs failed.
    #[error("can't make the empty disk: {0}: on Debian `apt-get install e2fsprogs`")]
    Upper(String),
    /// The runtime is ending.
    #[error("the coordinator is ending")]
    Ending,
}

/// The images of a VCH. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    images: Mutex<BTreeMap<Digest, Arc<Image>>>,
    /// Of each image whose root file system is being made, and of the empty disk.
    making: tokio::sync::Mutex<BTreeMap<Option<Digest>, Arc<tokio::sync::Mutex<()>>>>,
}

impl Store {
    /// Opens a store, or begins one. What a crash left is removed. Reads each image's manifest and
    /// configuration: to be called where blocking is no harm.
    pub fn open(settings: Settings) -> Result<Self, ImageError> {
        let images = index::open(&settings.folder, settings.limits)?;
        let images = images.into_iter().map(|image| (image.id, Arc::new(image)));
        Ok(Self {
            inner: Arc::new(Inner {
                images: Mutex::new(images.collect()),
                settings,
                making: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// All images, by ID.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.images().values().cloned().collect()
    }

    /// By name, ID, or the beginning of an ID; in this order, as dockerd.
    pub fn find(&self, text: &str) -> Result<Arc<Image>, ImageError> {
        find(&self.images(), text)
    }

    /// An archive of a root file system, packed or not, becomes an image of one layer.
    pub async fn import(
        &self,
        archive: impl AsyncRead + Unpin,
        wish: Import,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Arc<Image>, ImageError> {
        let mut run = crate::config::Run::default();
        for change in &wish.changes {
            changes::apply(&mut run, change)?;
        }
        if let Some(name) = &wish.name
            && matches!(name.which(), Which::Digest(_))
        {
            return Err(ImageError::DigestTag);
        }
        let staging = Staging::new(&self.inner.settings)?;
        let mut arrived = self.ask(&staging, Job::Import, archive, progress).await?;
        let one = arrived
            .pop()
            .ok_or_else(|| ImageError::Untrue("nothing arrived".to_owned()))?;
        let config = adopt::imported(&wish, run, &one);
        let arrived = Arrived {
            names: wish.name.into_iter().collect(),
            ..one
        };
        self.adopt(staging, arrived, Some(config)).await
    }

    /// An archive of images, by `docker save` or in OCI's layout.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Unpin,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Vec<Arc<Image>>, ImageError> {
        let staging = Arc::new(Staging::new(&self.inner.settings)?);
        let arrived = self.ask(&staging, Job::Load, archive, progress).await?;
        let mut loaded = Vec::new();
        for arrived in arrived {
            let names = arrived.names.clone();
            let image = self.adopt(Arc::clone(&staging), arrived, None).await?;
            let lines = if names.is_empty() {
                vec![format!("Loaded image ID: {}\n", image.id)]
            } else {
                let line = |name: &Reference| format!("Loaded image: {}\n", name.familiar());
                names.iter().map(line).collect()
            };
            for stream in lines {
                let stream = Some(stream);
                // Whoever asked and is gone is not told.
                drop(
                    progress
                        .send(Progress {
                            stream,
                            ..Progress::default()
                        })
                        .await,
                );
            }
            loaded.push(image);
        }
        Ok(loaded)
    }

    /// Fetches an image from its registry, unless it is there. Without TLS only from this machine, or from
    /// [`Settings::insecure`].
    pub async fn pull(
        &self,
        name: Reference,
        credentials: Option<(String, String)>,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Arc<Image>, ImageError> {
        let staging = Staging::new(&self.inner.settings)?;
        let registry = name.registry();
        let plain = is_loopback(registry)
            || self
                .inner
                .settings
                .insecure
                .iter()
                .any(|one| one == registry);
        let images = self.images().keys().copied().collect();
        let job = Job::Pull(Pull {
            name,
            credentials,
            plain,
            images,
        });
        let mut arrived = self
            .ask(&staging, job, tokio::io::empty(), progress)
            .await?;
        let one = arrived
            .pop()
            .ok_or_else(|| ImageError::Untrue("nothing arrived".to_owned()))?;
        self.adopt(staging, one, None).await
    }

    /// Gives an image another name; whatever had it loses it.
    pub async fn tag(&self, image: &str, name: Reference) -> Result<Arc<Image>, ImageError> {
        if matches!(name.which(), Which::Digest(_)) {
            return Err(ImageError::DigestTag);
        }
        let image = image.to_owned();
        self.blocking(move |inner| {
            let mut images = inner.images();
            let mut changed = images.clone();
            let id = find(&changed, &image)?.id;
            rename(&mut changed, id, [name]);
            inner.commit(&mut images, changed)?;
            images.get(&id).cloned().ok_or(ImageError::Unknown(image))
        })
        .await
    }

    /// Bytes on disk: packed layers, each once, and root file systems.
    pub async fn usage(&self) -> Result<Usage, ImageError> {
        self.blocking(|inner| {
            let images = inner.images();
            let all = images.values().flat_map(|image| &image.layers);
            let layers: BTreeMap<_, _> = all.map(|layer| (layer.digest, layer.size)).collect();
            let folder = &inner.settings.folder;
            let rootfs = images
                .keys()
                .map(|id| std::fs::metadata(index::rootfs(folder, id)));
            Ok(Usage {
                layer_bytes: layers.values().sum(),
                // Those that are not made yet take nothing.
                rootfs_bytes: rootfs.flatten().map(|about| about.len()).sum(),
            })
        })
        .await
    }

    async fn ask(
        &self,
        staging: &Staging,
        job: Job,
        input: impl AsyncRead + Unpin,
        progress: &mpsc::Sender<Progress>,
    ) -> Result<Vec<Arrived>, ImageError> {
        let settings = &self.inner.settings;
        let limits = settings.limits;
        let order = Order { limits, job };
        let run = subprocess::run(settings, &staging.path, &order, input, progress);
        Ok(run.await?)
    }

    async fn adopt(
        &self,
        staging: impl std::borrow::Borrow<Staging> + Send + 'static,
        arrived: Arrived,
        config: Option<Config>,
    ) -> Result<Arc<Image>, ImageError> {
        self.blocking(move |inner| adopt::adopt(inner, &staging.borrow().path, &arrived, config))
            .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        deed: impl FnOnce(&Inner) -> Result<T, ImageError> + Send + 'static,
    ) -> Result<T, ImageError> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || deed(&inner)).await;
        done.map_err(|_| ImageError::Ending)?
    }

    fn images(&self) -> MutexGuard<'_, BTreeMap<Digest, Arc<Image>>> {
        self.inner.images()
    }
}

impl Inner {
    /// Changes are whole before they are put in, so a panic elsewhere leaves nothing half done.
    fn images(&self) -> MutexGuard<'_, BTreeMap<Digest, Arc<Image>>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On disk first, then for all to see.
    fn commit(
        &self,
        images: &mut BTreeMap<Digest, Arc<Image>>,
        changed: BTreeMap<Digest, Arc<Image>>,
    ) -> Result<(), ImageError> {
        index::write(&self.settings.folder, changed.values())?;
        *images = changed;
        Ok(())
    }
}

/// Whether a registry is on this machine, by its name.
fn is_loopback(registry: &str) -> bool {
    let host = match registry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, _)) => address,
        None => registry.split(':').next().unwrap_or(registry),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Gives names to an image, and takes them from all others.
fn rename(
    images: &mut BTreeMap<Digest, Arc<Image>>,
    to: Digest,
    names: impl IntoIterator<Item = Reference>,
) {
    for name in names {
        for (id, image) in images.iter_mut() {
            if (*id == to) != image.names.contains(&name) {
                let image = Arc::make_mut(image);
                if *id == to {
                    image.names.insert(name.clone());
                } else {
                    image.names.remove(&name);
                }
            }
        }
    }
}

fn find(images: &BTreeMap<Digest, Arc<Image>>, text: &str) -> Result<Arc<Image>, ImageError> {
    if let Ok(id) = text.parse::<Digest>()
        && let Some(image) = images.get(&id)
    {
        return Ok(Arc::clone(image));
    }
    let name = text.parse::<Reference>();
    if let Ok(name) = &name
        && let Some(image) = images.values().find(|image| image.names.contains(name))
    {
        return Ok(Arc::clone(image));
    }
    let unknown = || {
        let shown = name.map_or_else(|_| text.to_owned(), |name| name.familiar());
        ImageError::Unknown(shown)
    };
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    let mut found = images
        .values()
        .filter(|image| image.id.hex().starts_with(digits));
    match (found.next(), found.next()) {
        (Some(image), None) => Ok(Arc::clone(image)),
        (Some(_), Some(_)) => Err(ImageError::Ambiguous(text.to_owned())),
        (None, _) => Err(unknown()),
    }
}

/// A folder for one helper, removed with this.
struct Staging {
    path: PathBuf,
}

impl Staging {
    fn new(settings: &Settings) -> Result<Self, ImageError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| ImageError::File {
            deed: "name a folder in",
            path: settings.folder.clone(),
            source: io::Error::other(error.to_string()),
        })?;
        let name = Digest::of(&random).hex();
        let path = settings.folder.join("staging").join(&name[..32]);
        std::fs::create_dir(&path).map_err(failed("make", &path))?;
        let staging = Self { path };
        if nix::unistd::geteuid().is_root() {
            let (uid, gid) = settings.user;
            std::os::unix::fs::chown(&staging.path, Some(uid), Some(gid))
                .map_err(failed("give away", &staging.path))?;
        }
        index::mode(&staging.path, 0o700)?;
        Ok(staging)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            let path = self.path.display();
            tracing::warn!(%error, %path, "a staging folder stays until the next start");
        }
    }
}

fn failed(deed: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError + use<> {
    let path = path.to_owned();
    move |source| ImageError::File { deed, path, source }
}

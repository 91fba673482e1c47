//! A whole coordinator, from its configuration to its end.

use crate::{
    api::{
        self, Api,
        docker::{
            self, Docker, Machine,
            server::{DockerListenError, Doors},
        },
    },
    chain::chain,
    config::{self, Config, Links, LinksError},
    effects::{
        EffectError, Effects,
        segments::{Owner, SegmentError, Segments},
        tether::{ChannelError, Channels, Tether},
    },
    files::{self, FilesError, Load},
    listeners::Listeners,
    reload::Reload,
    requests::Requests,
    runtime::{Folders, Hook, Nics, Runtime},
    settling::{Settler, Unsettled},
    store::{Host, Keeper, StartError, Store, StoreError},
};
use protocol::transport::{OpenError, coordinator::NativeListener};
use std::{
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vch_ledger::VchId;

/// For requests that are being answered when the coordinator stops.
const GRACE: Duration = Duration::from_secs(1);

/// Why a coordinator does not start, or ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The VCH is not as its configuration says.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The images.
    #[error(transparent)]
    Images(#[from] vch_images::ImageError),
    /// The ledger.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Something on the VCH.
    #[error("an effect does not start")]
    Effect(#[from] EffectError),
    /// The native vsock listener.
    #[error("native vsock is not listened on: free the port, or take `tether.vsock_port` away")]
    Native(#[from] OpenError),
    /// More files are needed than may be open.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// SIGHUP can't be listened for.
    #[error("no signal handler")]
    Signal(#[source] std::io::Error),
    /// The API's socket.
    #[error(transparent)]
    Listen(#[from] api::ListenError),
    /// The Docker API's sockets.
    #[error(transparent)]
    ListenDocker(#[from] DockerListenError),
    /// The API's server.
    #[error("the API's server ended")]
    Api(#[source] std::io::Error),
}

impl From<SegmentError> for ServeError {
    fn from(error: SegmentError) -> Self {
        Self::Effect(error.into())
    }
}

impl From<ChannelError> for ServeError {
    fn from(error: ChannelError) -> Self {
        Self::Effect(error.into())
    }
}

/// Serves what `config`, read from `file`, declares, until `stop` is cancelled or the store fails. Networks, links and rules stay as they are
/// when it ends: they belong to the ledger, not to this process.
///
/// # Errors
/// [`ServeError`]; nothing was left running.
pub async fn serve(
    file: PathBuf,
    config: Config,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let began = Instant::now();
    Links::observe()?.verify(&config)?;
    let (store, mut loaded) = Store::open(&config.state_dir)?;
    let vch = loaded.vch;
    let reports = std::mem::take(&mut loaded.reports);
    let (segments, segments_thread) = Segments::spawn(Owner::of(&vch.0)).await?;
    let settings = config.ledger_settings(vch);
    let host = host(&config, &segments);
    let kept = Keeper::spawn(store, loaded, settings, host.clone())?;
    files::provide(Load::of(&kept.whole), &config.dns.server)?;
    let keeper = kept.keeper;

    let mut tasks = JoinSet::new();
    let channels = channels(&config, &stop, &mut tasks)?;
    let heartbeat = config.tether.heartbeat;
    let tether = Arc::new(Tether::new(channels, keeper.clone(), heartbeat));
    let requests = Requests {
        keeper: keeper.clone(),
        tether: Arc::clone(&tether),
        report_deadline: config.tether.report_deadline,
        plugs: config.runtime.plugs(),
    };
    let images = images(&config)?;
    let runtime = runtime(&config, requests.clone(), images.clone());
    let nics = nics(&config, &runtime);
    let mut effects = Effects::open(&config, segments, Arc::clone(&tether), nics)?;
    let unsettled = Unsettled::default();
    let failed = effects.reconcile(&kept.whole, reports).await;
    unsettled.report(&failed, effects.waiting());

    let doors = Doors::open(&config.docker_endpoint)?;
    let reload = Reload::new(file, config.clone(), requests.clone());
    let reload = Arc::new(reload.with_certificates(doors.certificates()));
    let hangups = signal(SignalKind::hangup()).map_err(ServeError::Signal)?;
    tasks.spawn(until(&stop, reload_on(hangups, Arc::clone(&reload))));
    let listener = api::listen(&config.api_socket)?;
    let docker = docker(&config, (vch, doors), (&requests, &runtime, images), &stop);
    let router = api::router(Api {
        requests,
        runtime: runtime.clone(),
        vch,
        unsettled: unsettled.clone(),
        reload,
        host,
    });
    let later = TaskTracker::new();
    let settler = Settler {
        effects,
        keeper: keeper.clone(),
        published: kept.published,
        unsettled,
        later: later.clone(),
    };
    let settling = tokio::spawn(settler.run(stop.child_token()));
    tasks.spawn(until(&stop, adopt(runtime.clone())));
    tasks.spawn(docker);
    let started = began.elapsed();
    tracing::info!(socket = %config.api_socket.display(), ?started, %vch, "ready");

    let serving =
        axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let served = tokio::select! {
        served = serving => served.map_err(ServeError::Api),
        () = keeper.ended() => Ok(()),
        () = grace(&stop) => Ok(()),
    };
    stop.cancel();
    // Its panic would have been logged by the runtime; there is nothing left to close then.
    let settled = settling.await;
    later.close();
    later.wait().await;
    if let Ok(effects) = settled {
        effects.close().await;
    }
    while tasks.join_next().await.is_some() {}
    runtime.close().await;
    segments_thread.ended().await;
    // A client that still talks is told that the coordinator stops.
    keeper.end().await;
    drop(tether);
    let joined = tokio::task::spawn_blocking(move || kept.thread.join()).await;
    joined.unwrap_or(Ok(()))?;
    served
}

type Serving = Pin<Box<dyn Future<Output = Option<()>> + Send>>;

/// The Docker API. Its doors are open; they are served by what is given back, which ends at the stop
/// and lets others end.
fn docker(
    config: &Config,
    (vch, doors): (VchId, Doors),
    (requests, runtime, images): (&Requests, &Runtime, vch_images::Store),
    stop: &CancellationToken,
) -> Serving {
    let docker = Docker {
        requests: requests.clone(),
        runtime: runtime.clone(),
        images,
        execs: docker::Execs::default(),
        vch,
        machine: Arc::new(Machine::observe(config.state_dir.clone())),
        events: docker::Events::default(),
    };
    let stop = stop.clone();
    Box::pin(async move {
        let following = until(&stop, docker::follow(docker.clone()));
        let serving = doors.serve(docker::router(docker), stop.clone());
        tokio::join!(following, serving);
        None
    })
}

/// What ends with the coordinator.
fn until<F: Future<Output = ()>>(
    stop: &CancellationToken,
    task: F,
) -> impl Future<Output = Option<()>> + use<F> {
    stop.child_token().run_until_cancelled_owned(task)
}

/// The program that reads what comes into the image store.
const IMAGE_HELPER: &str = "vch-image";

/// The image store, with its helper beside the coordinator.
fn images(config: &Config) -> Result<vch_images::Store, ServeError> {
    use vch_images::{Limits, Settings};
    let own = std::env::current_exe().unwrap_or_default();
    let vms = config.runtime.vms();
    let disk = vms.map(|vms| vms.disk_bytes);
    let insecure = vms.map(|vms| vms.insecure_registries.clone());
    Ok(vch_images::Store::open(Settings {
        folder: config.state_dir.join("images"),
        helper: own.with_file_name(IMAGE_HELPER),
        first_user: Settings::FIRST_USER,
        upper_bytes: disk.unwrap_or(Settings::UPPER_BYTES),
        insecure: insecure.unwrap_or_default(),
        limits: Limits::default(),
        free_bytes: None,
    })?)
}

async fn adopt(runtime: Runtime) {
    runtime.adopt().await;
}

fn runtime(config: &Config, requests: Requests, images: vch_images::Store) -> Runtime {
    let folders = Folders {
        state: config.state_dir.clone(),
        run: config.run_dir.clone(),
    };
    Runtime::new(
        requests,
        config.runtime.vms().cloned(),
        folders,
        Arc::new(images),
    )
}

/// Who changes running VMs' NICs, if anybody does.
fn nics(config: &Config, runtime: &Runtime) -> Option<Arc<dyn Nics>> {
    match &config.runtime {
        config::Runtime::External { hook } => {
            let hook = hook.as_ref()?;
            Some(Arc::new(Hook::new(hook.as_str())))
        }
        config::Runtime::Qemu(_) => Some(Arc::new(runtime.clone())),
    }
}

/// What else is on the machine, for the ledger's decisions.
fn host(config: &Config, segments: &Segments) -> Host {
    let routes = segments.host_routes();
    let listeners = Listeners::beside(config);
    Host {
        overlap: Arc::new(move |net| routes.overlap(net)),
        listener: Arc::new(move |port| listeners.holder(port)),
    }
}

/// The ways to agents; whoever dials by native vsock is awaited in a task.
fn channels(
    config: &Config,
    stop: &CancellationToken,
    tasks: &mut JoinSet<Option<()>>,
) -> Result<Channels, ServeError> {
    let native = match config.tether.vsock_port {
        Some(port) => Some(NativeListener::bind(port)?),
        None => None,
    };
    let channels = Channels::new(config.run_dir.join("tether"), native.is_some())?;
    if let Some(accepting) = native.and_then(|listener| channels.serve_native(listener)) {
        tasks.spawn(until(stop, accepting));
    }
    Ok(channels)
}

/// SIGHUP, as daemons have it: the configuration is read again.
async fn reload_on(mut hangups: Signal, reload: Arc<Reload>) {
    while hangups.recv().await.is_some() {
        match reload.reload().await {
            Ok(_) => tracing::info!("the configuration was read again"),
            Err(error) => {
                tracing::error!(error = chain(&error), "the configuration stays as it was");
            }
        }
    }
}

/// Resolves when those who were asking at the stop have had their time to hear the answer: one may
/// wait for minutes, or never end its request.
async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

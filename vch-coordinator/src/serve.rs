//! Runs a coordinator, from its configuration to its end.

mod closing;
mod error;

pub use error::ServeError;

use closing::Closing;

use crate::{
    config::{self, Config, Links},
    metrics,
    network_options::ByDockersNames,
    parts::{PartError, Parts},
    reload::Reload,
    rlimit::{self, Load},
    watchdog::Watchdog,
};
use control_api::Api;
use docker_api::{Docker, Machine, server::Listeners};
use protocol::transport::coordinator::NativeListener;
use std::{
    convert::Infallible,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vch_engine::{Dataplane, Drift, LedgerReports, Reconciler, Requests};
use vch_ledger::VchId;
use vch_log::error_chain;
use vch_network::{
    ActorThread, Nics,
    dns::Dns,
    nat::Nat,
    segments::{Owner, Segments},
    tether::{Channels, Tether},
};
use vch_runtime::{Dirs, Hook, Runtime, Tasks};
use vch_store::{HostChecks, LedgerHandle, Loaded, Store, private};

#[cfg(test)]
use crate::parts::faults::Faults;

/// How long requests that are under way at the stop may take to complete.
const GRACE: Duration = Duration::from_secs(1);

/// The decision what to do if directories of containers exist in the state directory, but no store. Without such
/// directories, a missing store is created in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// The coordinator refuses to start then, since its store may have been lost.
    AsBefore,
    /// The coordinator creates a new, empty store then, as the option `--begin-anew` demands.
    Anew,
}

/// Runs a coordinator with `config`, which was read from `file` (and is read from there again at each reload), until
/// `stop` is cancelled or a part of it fails. Networks, links, nftables rules and VMs stay when it ends; the next
/// coordinator takes them over.
///
/// # Errors
/// Returns the [`ServeError`] of the part that does not start, or that has ended unexpectedly. The other parts get up
/// to 5 seconds to end after a failure.
pub async fn serve(
    file: PathBuf,
    config: Config,
    begin: Begin,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    #[cfg(test)]
    let parts = Parts::new(stop.clone(), Faults::default());
    #[cfg(not(test))]
    let parts = Parts::new(stop.clone());
    serve_in(parts, file, config, begin, stop).await
}

async fn serve_in(
    mut parts: Parts,
    file: PathBuf,
    config: Config,
    begin: Begin,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let began = Instant::now();
    let manager = service_manager()?;
    Links::observe()?.verify(&config)?;
    let (store, mut loaded) = open(&config, begin)?;
    let vch = loaded.vch;
    let reports = std::mem::take(&mut loaded.reports);
    let (segments, segments_thread) = Segments::spawn(Owner::of(&vch.0)).await?;
    let host = host(&config, &segments);
    let kept = LedgerHandle::spawn(store, loaded, config.ledger_settings(vch), host.clone())?;
    rlimit::provide(Load::of(&kept.whole), &config.dns.server)?;
    let ledger_handle = kept.ledger_handle;

    let channels = channels(&config, &mut parts)?;
    let reports_kept = Arc::new(LedgerReports(ledger_handle.clone()));
    let tether = Arc::new(Tether::new(channels, reports_kept, config.tether.heartbeat));
    let requests = requests(&config, &ledger_handle, &tether);
    let images = images(&config)?;
    let runtime = runtime(&config, requests.clone(), images.clone());
    let nics = nics(&config, &runtime);
    let (mut dataplane, nat_thread) = dataplane(&config, segments, &tether, nics)?;
    let drift = Drift::default();
    let failed = dataplane.reconcile(&kept.whole, reports).await;
    drift.report(&failed, dataplane.waiting());

    let listeners = Listeners::open(
        config.docker_endpoint.tcp(),
        config.docker_endpoint.socket.as_deref(),
    )?;
    let reload = Reload::new(file, config.clone(), requests.clone())
        .with_certificates(listeners.certificates());
    let reload = reload_by_signal(reload, &mut parts)?;
    let listener = control_api::listen(&config.api_socket)?;
    docker(
        &config,
        (vch, listeners),
        (&requests, &runtime, images),
        (&mut parts, &stop),
    );
    let router = control_api::router(Api {
        requests,
        runtime: runtime.clone(),
        vch,
        drift: drift.clone(),
        reload,
        options: Arc::new(ByDockersNames),
        host,
    });
    let later = TaskTracker::new();
    let reconciler = Reconciler {
        dataplane,
        ledger_handle: ledger_handle.clone(),
        published: kept.published,
        drift,
        later: later.clone(),
    };
    metrics::serve(&config, (&reconciler, &runtime), (&mut parts, &stop))?;
    #[cfg(test)]
    tests::arm(&reconciler, &parts.faults, stop.clone());
    let settled = spawn_reconciler(reconciler, &mut parts, &stop);
    parts.spawn_once("start of containers", adopt(runtime.clone()));
    tracing::info!(socket = %config.api_socket.display(), started = ?began.elapsed(), %vch, "ready");
    tell_ready(manager.as_ref(), &ledger_handle, &mut parts);

    let serving = control_api::serve(listener, router, stop.clone());
    let served = first_end(serving, (&stop, &ledger_handle, &mut parts)).await;
    stop.cancel();
    if let Some(manager) = &manager {
        manager.stopping();
    }
    let closing = Closing {
        settled,
        later,
        parts,
        runtime,
        segments: segments_thread,
        nat: nat_thread,
        ledger_handle,
        tether,
        writer: kept.thread,
    };
    closing.finish(served).await
}

/// Returns the service manager that started the coordinator; `None` if none did.
///
/// # Errors
/// Returns [`ServeError::Manager`] if the service manager cannot be reached.
fn service_manager() -> Result<Option<Arc<Watchdog>>, ServeError> {
    let manager = Watchdog::from_environment().map_err(ServeError::Manager)?;
    Ok(manager.map(Arc::new))
}

/// Starts the data plane, which follows the ledger, and returns it with the thread that owns
/// nftables.
///
/// # Errors
/// Returns [`ServeError::Dataplane`] if nftables or the name server cannot be started.
fn dataplane(
    config: &Config,
    segments: Segments,
    tether: &Arc<Tether>,
    nics: Option<Arc<dyn Nics>>,
) -> Result<(Dataplane, ActorThread), ServeError> {
    let (nat, thread) = Nat::spawn(config.nat_environment())?;
    let dns = Dns::spawn(&config.dns.server, config.dns.policy)?;
    let dataplane = Dataplane::new(segments, nat, dns, Arc::clone(tether), nics);
    Ok((dataplane, thread))
}

/// Returns the entry point through which both APIs and the runtime carry out commands.
fn requests(config: &Config, ledger_handle: &LedgerHandle, tether: &Arc<Tether>) -> Requests {
    Requests {
        ledger_handle: ledger_handle.clone(),
        tether: Arc::clone(tether),
        report_deadline: config.tether.report_deadline,
        plugs: config.runtime.plugs(),
    }
}

/// Opens the store. Revokes other users' access to the state and run directories.
///
/// # Errors
/// - [`ServeError::Store`] if the store cannot be opened.
/// - [`ServeError::Private`] if the run directory cannot be provided.
fn open(config: &Config, begin: Begin) -> Result<(Store, Loaded), ServeError> {
    let opened = match begin {
        Begin::AsBefore => Store::open(&config.state_dir)?,
        Begin::Anew => Store::begin_anew(&config.state_dir)?,
    };
    private::repair_below(&config.state_dir, &[IMAGES]);
    private::provide(&config.run_dir, RUN_DIR_MARKS, "vch.run_dir")?;
    private::repair_below(&config.run_dir, &[]);
    Ok(opened)
}

/// Waits until the coordinator must end: because of the stop, or because a part has ended.
///
/// # Errors
/// Returns [`ServeError::Part`] if a part ended unexpectedly.
async fn first_end(
    serving: impl Future<Output = ()>,
    (stop, ledger_handle, parts): (&CancellationToken, &LedgerHandle, &mut Parts),
) -> Result<(), ServeError> {
    tokio::select! {
        () = serving => match stop.is_cancelled() {
            true => Ok(()),
            false => Err(PartError::Ended { part: "API" }.into()),
        },
        () = ledger_handle.ended() => Err(PartError::Ended { part: "store's writer" }.into()),
        part = parts.ended() => Err(part.into()),
        () = grace(stop) => Ok(()),
    }
}

/// Reloads the configuration at each SIGHUP, and returns the reload for the API.
///
/// # Errors
/// Returns [`ServeError::Signal`] if the handler of SIGHUP cannot be installed.
fn reload_by_signal(reload: Reload, parts: &mut Parts) -> Result<Arc<Reload>, ServeError> {
    let reload = Arc::new(reload);
    let hangups = signal(SignalKind::hangup()).map_err(ServeError::Signal)?;
    parts.spawn("reload by SIGHUP", reload_on(hangups, Arc::clone(&reload)));
    Ok(reload)
}

/// Tells the service manager, if there is one, that the coordinator is ready, and feeds its
/// watchdog from now on.
fn tell_ready(manager: Option<&Arc<Watchdog>>, ledger_handle: &LedgerHandle, parts: &mut Parts) {
    if let Some(manager) = manager {
        manager.ready();
        parts.spawn(
            "the watchdog",
            keep_alive(Arc::clone(manager), ledger_handle.clone()),
        );
    }
}

/// Runs the reconciler and watches the name server that it owns. The data plane is returned through the channel when the
/// reconciler has ended.
fn spawn_reconciler(
    mut reconciler: Reconciler,
    parts: &mut Parts,
    stop: &CancellationToken,
) -> oneshot::Receiver<Dataplane> {
    parts.spawn("name server", reconciler.dataplane.name_server_ended());
    let (give, dataplane) = oneshot::channel();
    let stop = stop.child_token();
    parts.spawn_stopping("reconciler", async move {
        let (dataplane, done) = reconciler.run(stop).await;
        // The coordinator always waits for the receiver when it ends.
        let _ = give.send(dataplane);
        done
    });
    dataplane
}

/// Starts the Docker API. Its listeners, which are already open, are served until the stop.
fn docker(
    config: &Config,
    (vch, listeners): (VchId, Listeners),
    (requests, runtime, images): (&Requests, &Runtime, vch_image_store::Store),
    (parts, stop): (&mut Parts, &CancellationToken),
) {
    let docker = Docker {
        requests: requests.clone(),
        runtime: runtime.clone(),
        images,
        execs: docker_api::Execs::default(),
        vch,
        machine: Arc::new(Machine::observe(config.state_dir.clone())),
        events: docker_api::Events::default(),
        tasks: Tasks::default(),
    };
    parts.spawn("Docker events", docker_api::follow(docker.clone()));
    // Without an open listener, the API has no clients.
    if listeners.are_open() {
        let stop = stop.clone();
        parts.spawn_stopping("Docker API", async {
            let tasks = docker.tasks.clone();
            listeners.serve(docker_api::router(docker), stop).await;
            tasks.close().await;
            Ok::<(), Infallible>(())
        });
    }
}

/// The helper program that unpacks images.
const IMAGE_HELPER: &str = "vch-image";
/// The image store's directory in the state directory. It manages its own permissions: helpers,
/// which run as other users, must reach their staging directories in it.
const IMAGES: &str = "images";
/// Names that every release of the coordinator creates in its run directory, by which the directory
/// is recognized.
const RUN_DIR_MARKS: &[&str] = &["tether", "vms", "api.sock"];

/// Opens the image store, with its helper beside the coordinator's program.
///
/// # Errors
/// Returns [`ServeError::Images`] if the image store cannot be opened.
fn images(config: &Config) -> Result<vch_image_store::Store, ServeError> {
    use vch_image_store::Settings;
    let own = std::env::current_exe().unwrap_or_default();
    let vms = config.runtime.vms();
    let disk = vms.map(|vms| vms.disk_bytes);
    let insecure = vms.map(|vms| vms.insecure_registries.clone());
    Ok(vch_image_store::Store::open(Settings {
        dir: config.state_dir.join(IMAGES),
        helper: own.with_file_name(IMAGE_HELPER),
        first_user: Settings::FIRST_USER,
        writable_layer_bytes: disk.unwrap_or(Settings::WRITABLE_LAYER_BYTES),
        insecure: insecure.unwrap_or_default(),
        limits: config.images.limits,
        free_bytes: config.images.free_bytes,
    })?)
}

/// Feeds the service manager's watchdog as long as the store's writer, the async runtime and its
/// blocking threads respond.
async fn keep_alive(manager: Arc<Watchdog>, ledger_handle: LedgerHandle) {
    manager
        .keep(|| async {
            let blocks = tokio::task::spawn_blocking(|| ());
            let (read, blocked) = tokio::join!(ledger_handle.read(|_| ()), blocks);
            read.is_ok() && blocked.is_ok()
        })
        .await;
}

async fn adopt(runtime: Runtime) {
    runtime.adopt().await;
}

fn runtime(config: &Config, requests: Requests, images: vch_image_store::Store) -> Runtime {
    let dirs = Dirs {
        state: config.state_dir.clone(),
        run: config.run_dir.clone(),
    };
    Runtime::new(
        requests,
        config.runtime.vms().cloned(),
        dirs,
        Arc::new(images),
    )
}

/// Returns what changes NICs of running VMs: the runtime hook or the runtime itself; `None` if NICs
/// are not changed.
fn nics(config: &Config, runtime: &Runtime) -> Option<Arc<dyn Nics>> {
    match &config.runtime {
        config::Runtime::External { hook } => {
            let hook = hook.as_ref()?;
            Some(Arc::new(Hook::new(hook.as_str())))
        }
        config::Runtime::Qemu(_) => Some(Arc::new(runtime.clone())),
    }
}

/// Returns checks of the host's routes and listening ports, which the ledger's decisions need.
fn host(config: &Config, segments: &Segments) -> HostChecks {
    let routes = segments.host_routes();
    let probe = config.port_probe();
    HostChecks {
        overlap: Arc::new(move |net| routes.overlap(net)),
        listener: Arc::new(move |port| probe.holder(port)),
    }
}

/// Opens the channels to agents. Agents that connect by native vsock are accepted by a task.
///
/// # Errors
/// - [`ServeError::Native`] if the native vsock port cannot be listened on.
/// - [`ServeError::Dataplane`] if the directory of the channels cannot be created.
fn channels(config: &Config, parts: &mut Parts) -> Result<Channels, ServeError> {
    let native = match config.tether.vsock_port {
        Some(port) => Some(NativeListener::bind(port)?),
        None => None,
    };
    let channels = Channels::new(config.run_dir.join("tether"), native.is_some())?;
    if let Some(accepting) = native.and_then(|listener| channels.serve_native(listener)) {
        parts.spawn("native vsock listener", accepting);
    }
    Ok(channels)
}

/// Reloads the configuration at each SIGHUP, as is usual for daemons.
async fn reload_on(mut hangups: Signal, reload: Arc<Reload>) {
    while hangups.recv().await.is_some() {
        match reload.take_over().await {
            Ok(_) => tracing::info!("configuration reloaded"),
            Err(error) => {
                tracing::error!(error = error_chain(&error), "configuration not reloaded");
            }
        }
    }
}

/// Waits for the stop, and then gives requests that are under way [`GRACE`] to complete: some would
/// otherwise wait for minutes, or never end.
async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

#[cfg(test)]
mod tests;

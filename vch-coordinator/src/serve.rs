//! A whole coordinator, from its configuration to its end.

use crate::{
    api::{self, Api},
    config::{Config, Links, LinksError},
    effects::{
        EffectError, Effects,
        dns::Dns,
        nat::Nat,
        segments::{Owner, SegmentError, Segments},
        tether::{ChannelError, Channels, Tether},
    },
    requests::Requests,
    settling::{Settler, Unsettled},
    store::{Keeper, StartError, Store, StoreError},
};
use protocol::transport::{OpenError, coordinator::NativeListener};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use thiserror::Error;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

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
    /// The ledger.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Something on the VCH.
    #[error("an effect does not start")]
    Effect(#[from] EffectError),
    /// The native vsock listener.
    #[error("native vsock is not listened on: free the port, or take `tether.vsock_port` away")]
    Native(#[from] OpenError),
    /// The API's socket.
    #[error(transparent)]
    Listen(#[from] api::ListenError),
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

/// Serves until `stop` is cancelled or the store fails. Networks, links and rules stay as they are
/// when it ends: they belong to the ledger, not to this process.
///
/// # Errors
/// [`ServeError`]; nothing was left running.
pub async fn serve(config: Config, stop: CancellationToken) -> Result<(), ServeError> {
    let began = Instant::now();
    Links::observe()?.verify(&config)?;
    let (store, mut loaded) = Store::open(&config.state_dir)?;
    let vch = loaded.vch;
    let reports = std::mem::take(&mut loaded.reports);
    let (segments, segments_thread) = Segments::spawn(Owner::of(&vch.0)).await?;
    let routes = segments.host_routes();
    let settings = config.ledger_settings(vch);
    let overlap = Arc::new(move |net: &ipnet::IpNet| routes.overlap(net));
    let kept = Keeper::spawn(store, loaded, settings, overlap)?;
    let keeper = kept.keeper;

    let native = match config.tether.vsock_port {
        Some(port) => Some(NativeListener::bind(port)?),
        None => None,
    };
    let channels = Channels::new(config.run_dir.join("tether"), native.is_some())?;
    let mut tasks = JoinSet::new();
    if let Some(accepting) = native.and_then(|listener| channels.serve_native(listener)) {
        tasks.spawn(stop.child_token().run_until_cancelled_owned(accepting));
    }
    let tether = Arc::new(Tether::new(
        channels,
        keeper.clone(),
        config.tether.heartbeat,
    ));
    let mut effects = Effects {
        segments,
        nat: Nat::open().map_err(EffectError::from)?,
        dns: Dns::spawn(&config.dns).map_err(EffectError::from)?,
        tether: Arc::clone(&tether),
        shared: BTreeMap::new(),
    };
    let unsettled = Unsettled::default();
    let failed = effects.reconcile(&kept.whole, reports).await;
    unsettled.report(&failed);

    let requests = Requests {
        keeper: keeper.clone(),
        tether: Arc::clone(&tether),
        report_deadline: config.tether.report_deadline,
    };
    let listener = api::listen(&config.api_socket)?;
    let router = api::router(Api {
        requests,
        vch,
        unsettled: unsettled.clone(),
    });
    let settler = Settler {
        effects,
        keeper: keeper.clone(),
        published: kept.published,
        unsettled,
    };
    let settling = tokio::spawn(settler.run(stop.child_token()));
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
    if let Ok(effects) = settling.await {
        effects.close().await;
    }
    while tasks.join_next().await.is_some() {}
    segments_thread.ended().await;
    // A client that still talks is told that the coordinator stops.
    keeper.end().await;
    drop(tether);
    let joined = tokio::task::spawn_blocking(move || kept.thread.join()).await;
    joined.unwrap_or(Ok(()))?;
    served
}

/// Resolves when those who were asking at the stop have had their time to hear the answer: one may
/// wait for minutes, or never end its request.
async fn grace(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

//! Bounds the resources that clients may use before they have presented a certificate.
//!
//! Each handshake holds one of a small number of permits, and each source address may hold only a share of
//! them. A bounded number of further clients wait for a short time; all others are closed at once. Clients
//! that connect and send nothing therefore only keep out clients of their own address.

use parking_lot::{Mutex, MutexGuard};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// The maximum number of handshakes at once. Each takes about 2 ms of processor time and 40 KiB of
/// memory.
const MAX_HANDSHAKES: usize = 128;
/// The maximum number of handshakes of one source at once.
const SHARE: usize = 32;
/// The maximum number of clients that wait for a permit at once, each for at most [`FIRM`].
const MAX_WAITING: usize = 256;
/// The time that every handshake gets. After it, a handshake ends as soon as another client waits
/// for its permit.
const FIRM: Duration = Duration::from_secs(10);
/// The maximum duration of a handshake. On a machine on which twenty VMs boot, some handshakes of
/// working clients took more than 10 s.
const LONGEST: Duration = Duration::from_secs(60);

/// Returns the source that an address belongs to: the IPv4 address itself, or the IPv6 network of
/// 64 bits, all of which one host may have.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            Ipv6Addr::from(octets).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Admits clients to their handshakes.
#[derive(Clone, Debug)]
pub(crate) struct Handshakes(Arc<HandshakeState>);

#[derive(Debug)]
struct HandshakeState {
    permits: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    pressed: Arc<Notify>,
    sources: Mutex<BTreeMap<IpAddr, Source>>,
}

#[derive(Debug)]
struct Source {
    permits: Arc<Semaphore>,
    pressed: Arc<Notify>,
    /// The number of clients of this source that wait or are in a handshake.
    clients: usize,
}

/// Why a client was closed before its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// Too many clients wait already.
    Crowded,
    /// No permit became free in time.
    Timeout,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self(Arc::new(HandshakeState {
            permits: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            pressed: Arc::default(),
            sources: Mutex::default(),
        }))
    }
}

impl HandshakeState {
    fn sources(&self) -> MutexGuard<'_, BTreeMap<IpAddr, Source>> {
        // No code panics while it holds the lock, and the data would stay consistent in any case.
        self.sources.lock()
    }
}

impl Handshakes {
    /// Waits for a permit for a handshake with a client at `address`.
    ///
    /// # Errors
    /// If an error is returned, the client must be closed:
    /// - [`NotAdmitted::Crowded`] if too many clients wait already.
    /// - [`NotAdmitted::Timeout`] if no permit became free within [`FIRM`].
    pub(crate) async fn admit(&self, address: IpAddr) -> Result<Admitted, NotAdmitted> {
        let client = Client::of(&self.0, source(address));
        let shared = Arc::clone(&self.0.permits);
        let at_once = Arc::clone(&client.permits).try_acquire_owned().ok();
        let at_once = at_once.zip(Arc::clone(&shared).try_acquire_owned().ok());
        let permits = match at_once {
            Some(permits) => permits,
            None => {
                let waiting = Arc::clone(&self.0.waiting).try_acquire_owned();
                let _waiting = waiting.map_err(|_| NotAdmitted::Crowded)?;
                let acquired = async {
                    let own = acquired(&client.permits, &client.pressed).await;
                    let shared = acquired(&shared, &self.0.pressed).await;
                    own.zip(shared)
                };
                let acquired = timeout(FIRM, acquired).await;
                acquired.ok().flatten().ok_or(NotAdmitted::Timeout)?
            }
        };
        Ok(Admitted {
            pressed: [Arc::clone(&client.pressed), Arc::clone(&self.0.pressed)],
            _client: client,
            _permits: permits,
        })
    }
}

/// Waits for a permit, and meanwhile notifies handshakes that have had their time, so that one of
/// them ends. Returns `None` if the semaphore is closed.
async fn acquired(permits: &Arc<Semaphore>, pressed: &Notify) -> Option<OwnedSemaphorePermit> {
    /// The interval of notifications: handshakes whose time ends after the first notification
    /// receive a later one.
    const AGAIN: Duration = Duration::from_millis(250);
    let acquired = Arc::clone(permits).acquire_owned();
    tokio::pin!(acquired);
    loop {
        pressed.notify_waiters();
        tokio::select! {
            // The semaphore is never closed.
            permit = &mut acquired => return permit.ok(),
            () = sleep(AGAIN) => {}
        }
    }
}

/// Counts a client of a source. The source is forgotten when its last client is dropped.
#[derive(Debug)]
struct Client {
    inner: Arc<HandshakeState>,
    source: IpAddr,
    permits: Arc<Semaphore>,
    pressed: Arc<Notify>,
}

impl Client {
    fn of(inner: &Arc<HandshakeState>, address: IpAddr) -> Self {
        let mut sources = inner.sources();
        let source = sources.entry(address).or_insert_with(|| Source {
            permits: Arc::new(Semaphore::new(SHARE)),
            pressed: Arc::default(),
            clients: 0,
        });
        source.clients += 1;
        Self {
            inner: Arc::clone(inner),
            source: address,
            permits: Arc::clone(&source.permits),
            pressed: Arc::clone(&source.pressed),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut sources = self.inner.sources();
        if let Some(source) = sources.get_mut(&self.source) {
            source.clients -= 1;
            if source.clients == 0 {
                sources.remove(&self.source);
            }
        }
    }
}

/// A client that may perform its handshake.
#[derive(Debug)]
pub(crate) struct Admitted {
    pressed: [Arc<Notify>; 2],
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    _client: Client,
}

impl Admitted {
    /// Awaits the handshake; returns `None` if it took too long.
    pub(crate) async fn within<T>(&self, handshake: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(handshake);
        if let Ok(done) = timeout(FIRM, &mut handshake).await {
            return Some(done);
        }
        let [own, shared] = &self.pressed;
        tokio::select! {
            done = handshake => Some(done),
            () = own.notified() => None,
            () = shared.notified() => None,
            () = sleep(LONGEST - FIRM) => None,
        }
    }
}

#[cfg(test)]
mod tests;

//! Bounds what clients may cost before they have shown a certificate.
//!
//! A handshake holds one of a small number of permits, of which one source address gets a share. Who comes
//! beyond that waits a moment, a bounded number at a time, and the rest is closed at once. So strangers that
//! connect and say nothing keep out only clients of their own address.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// Most handshakes at once: one takes some 2 ms of a processor and some 40 KiB.
const MAX_HANDSHAKES: usize = 128;
/// Most of one source at once.
const SHARE: usize = 32;
/// Most clients that wait for a permit at once, for at most [`FIRM`] each.
const MAX_WAITING: usize = 256;
/// Each handshake has so much time; after that it ends as soon as another client waits for its permit.
const FIRM: Duration = Duration::from_secs(10);
/// No handshake takes longer. On a machine on which twenty VMs boot, honest ones took more than 10 s.
const LONGEST: Duration = Duration::from_secs(60);

/// A source of connections: an address, or a network of 2^64 addresses, which one host may have.
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
    /// Clients of it that are waiting or in a handshake.
    clients: usize,
}

/// Why a client was closed before its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// Too many wait already.
    Crowded,
    /// No handshake ended in time.
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
        // Nothing panics while it holds the lock; what it guards stays whole in any case.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshakes {
    /// Waits for a permit.
    ///
    /// # Errors
    /// [`NotAdmitted`]: the client is to be closed.
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

/// Waits for a permit, and lets handshakes that have had their time know.
async fn acquired(permits: &Arc<Semaphore>, pressed: &Notify) -> Option<OwnedSemaphorePermit> {
    /// A handshake whose time is over later than this began is told of it by then.
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

/// Counts a client of a source, which is forgotten with its last one.
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

/// A client that may have its handshake.
#[derive(Debug)]
pub(crate) struct Admitted {
    pressed: [Arc<Notify>; 2],
    _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit),
    _client: Client,
}

impl Admitted {
    /// Carries the handshake out; `None` if it took too long.
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

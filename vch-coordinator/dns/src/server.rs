//! The server: its threads, and the addresses that each serves.

mod error;

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use dashmap::DashSet;
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::config::{Config, ConfigError, check_upstreams};
use crate::names::Names;
use crate::network_id::NetworkId;
use crate::socket::Sockets;
use crate::stats::{Counters, Stats, StatsReader};
use crate::worker::{Shared, Worker, WorkerCommand};

pub use error::{ListenError, ShutdownError, SpawnError};

/// The capacity of a thread's queue, in commands; a caller waits for room.
const COMMANDS: usize = 64;

/// The running name server: a fixed number of threads that serve the sockets of all gateway addresses. Dropping it
/// shuts it down.
///
/// [`Server::listen`] opens sockets in the network namespace of the thread that calls it. The sockets to upstream
/// servers are opened in the namespace of the thread that called [`Server::spawn`], since its threads inherit that one.
/// Both must be called in one namespace. All methods may be called from any thread.
#[derive(Debug)]
pub struct Server {
    port: u16,
    threads: Vec<Thread>,
    state: Mutex<ServerState>,
    own: Arc<DashSet<SocketAddr>>,
}

#[derive(Debug)]
struct Thread {
    commands: SyncSender<WorkerCommand>,
    wake: Arc<EventFd>,
    counters: Arc<Counters>,
    handle: JoinHandle<Result<(), Errno>>,
}

#[derive(Debug)]
struct ServerState {
    listening: BTreeMap<IpAddr, Listening>,
    /// How many addresses each thread serves.
    load: Vec<usize>,
    upstreams: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy)]
struct Listening {
    network: NetworkId,
    local: SocketAddr,
    thread: usize,
}

impl Server {
    /// Starts the server's threads, which answer from `names`. They serve no address until [`Server::listen`].
    ///
    /// # Errors
    /// Returns [`SpawnError::Config`] if a setting is invalid, [`SpawnError::Thread`] if the kernel refuses something
    /// that a thread needs. No thread is left running then.
    pub fn spawn(config: &Config, names: &Arc<Names>) -> Result<Self, SpawnError> {
        Self::spawn_watched(config, names, &(Arc::new(|_| {}) as OnEnd))
    }

    /// Starts the server's threads as [`Server::spawn`] does. `on_end` is called in each thread that ends for any
    /// reason: shutdown, error or panic.
    ///
    /// # Errors
    /// Returns the same errors as [`Server::spawn`].
    pub fn spawn_watched(
        config: &Config,
        names: &Arc<Names>,
        on_end: &OnEnd,
    ) -> Result<Self, SpawnError> {
        config.check()?;
        let shared = Shared {
            names: Arc::clone(names),
            own: Arc::default(),
        };
        let mut server = Self {
            own: Arc::clone(&shared.own),
            port: config.port,
            threads: Vec::with_capacity(config.threads),
            state: Mutex::new(ServerState {
                listening: BTreeMap::new(),
                load: vec![0; config.threads],
                upstreams: config.upstreams.clone(),
            }),
        };
        for thread in 0..config.threads {
            let ending = Ending {
                thread,
                on_end: Arc::clone(on_end),
            };
            let started = Thread::spawn(config, shared.clone(), ending)
                .map_err(|source| SpawnError::Thread { thread, source })?;
            server.threads.push(started);
        }
        Ok(server)
    }

    /// Serves one more address, the gateway `ip` of `network`, and returns the address with its port. The kernel need
    /// not have the address yet. If it is already served for this network, nothing changes.
    ///
    /// # Errors
    /// In all of these cases nothing is changed. Returns
    /// - [`ListenError::Address`] if the address can't be a gateway's,
    /// - [`ListenError::IsUpstream`] if it is an upstream server's,
    /// - [`ListenError::OtherNetwork`] if it is already served for another network,
    /// - [`ListenError::InUse`] if another program has the port,
    /// - [`ListenError::Open`] or [`ListenError::Watch`] if the kernel refuses the sockets,
    /// - [`ListenError::Stopped`] if the threads have ended.
    pub fn listen(&self, network: NetworkId, ip: IpAddr) -> Result<SocketAddr, ListenError> {
        if !is_gateway(ip) {
            return Err(ListenError::Address { ip });
        }
        let mut state = self.state();
        if let Some(there) = state.listening.get(&ip) {
            return if there.network == network {
                Ok(there.local)
            } else {
                let network = there.network;
                Err(ListenError::OtherNetwork { ip, network })
            };
        }
        if state.upstreams.contains(&SocketAddr::new(ip, self.port)) {
            return Err(ListenError::IsUpstream { ip });
        }
        let sockets = Sockets::open(ip, self.port).map_err(|error| {
            let (port, transport, source) = (self.port, error.transport, error.source);
            if source.kind() == io::ErrorKind::AddrInUse {
                return ListenError::InUse {
                    ip,
                    port,
                    transport,
                };
            }
            ListenError::Open {
                ip,
                port,
                transport,
                source,
            }
        })?;
        let local = sockets.local;
        let thread = least_loaded(&state.load);
        self.own.insert(local);
        if let Err(error) = self.hand_over(thread, network, sockets) {
            self.own.remove(&local);
            return Err(error);
        }
        let listening = Listening {
            network,
            local,
            thread,
        };
        state.listening.insert(ip, listening);
        if let Some(load) = state.load.get_mut(thread) {
            *load += 1;
        }
        tracing::info!(%local, network = format!("{:032x}", network.0), "dns: listening");
        Ok(local)
    }

    /// Stops serving an address, and closes its sockets and clients' TCP connections. When this returns, the port is
    /// free. Returns whether the address was served; if not, nothing changes.
    pub fn unlisten(&self, ip: IpAddr) -> bool {
        let mut state = self.state();
        let Some(there) = state.listening.remove(&ip) else {
            return false;
        };
        if let Some(load) = state.load.get_mut(there.thread) {
            *load = load.saturating_sub(1);
        }
        let (done, closed) = sync_channel(1);
        if let Some(thread) = self.threads.get(there.thread)
            && thread.tell(WorkerCommand::Unlisten { ip, done })
        {
            let _or_it_has_ended = closed.recv();
        }
        self.own.remove(&there.local);
        tracing::info!(local = %there.local, "dns: no longer listening");
        true
    }

    /// Replaces the server's own upstream servers ([`Config::upstreams`]) for all queries from now on. The upstream
    /// servers in clients' views stay as they are.
    ///
    /// # Errors
    /// Returns [`ConfigError`] if there are too many servers, or if a server is given twice, has an impossible address,
    /// or is this server itself. Nothing is changed then.
    pub fn set_upstreams(&self, upstreams: &[SocketAddr]) -> Result<(), ConfigError> {
        check_upstreams(upstreams)?;
        let mut state = self.state();
        let ours = |server: &&SocketAddr| {
            let there = state.listening.get(&server.ip());
            there.is_some_and(|there| there.local == **server)
        };
        if let Some(&server) = upstreams.iter().find(ours) {
            return Err(ConfigError::UpstreamIsOurs { server });
        }
        state.upstreams = upstreams.to_vec();
        let shared: Arc<[SocketAddr]> = upstreams.into();
        for thread in &self.threads {
            thread.tell(WorkerCommand::Upstreams(Arc::clone(&shared)));
        }
        Ok(())
    }

    /// Returns the addresses that are served, each with its network, ordered by address.
    #[must_use]
    pub fn listening(&self) -> Vec<(NetworkId, SocketAddr)> {
        let state = self.state();
        let served = state.listening.values();
        served.map(|there| (there.network, there.local)).collect()
    }

    /// Returns whether all of the server's threads are running; false if at least one has ended.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self
            .threads
            .iter()
            .any(|thread| thread.handle.is_finished())
    }

    /// Returns the counts of messages that the server has received since its start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats_reader().read()
    }

    /// Returns a reader of the server's counts, which can be used after the server has ended.
    #[must_use]
    pub fn stats_reader(&self) -> StatsReader {
        let counters = self
            .threads
            .iter()
            .map(|thread| Arc::clone(&thread.counters));
        StatsReader(counters.collect())
    }

    /// Ends the server's threads and waits for them. All sockets are closed when this returns. Queries that wait for an
    /// upstream server are not answered.
    ///
    /// # Errors
    /// Returns [`ShutdownError`] if a thread had ended before the shutdown, with an error or a panic.
    pub fn shutdown(mut self) -> Result<(), ShutdownError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), ShutdownError> {
        for thread in &self.threads {
            thread.tell(WorkerCommand::Stop);
        }
        let mut failed = Vec::new();
        for (number, thread) in self.threads.drain(..).enumerate() {
            match thread.handle.join() {
                Ok(Ok(())) => {}
                Ok(Err(errno)) => failed.push(format!("thread {number}: epoll_wait: {errno}")),
                Err(_) => failed.push(format!("thread {number}: panicked")),
            }
        }
        if failed.is_empty() {
            return Ok(());
        }
        Err(ShutdownError { failed })
    }

    fn hand_over(
        &self,
        thread: usize,
        network: NetworkId,
        sockets: Sockets,
    ) -> Result<(), ListenError> {
        let ip = sockets.local.ip();
        let (done, added) = sync_channel(1);
        let command = WorkerCommand::Listen {
            network,
            sockets,
            done,
        };
        let told = self.threads.get(thread).is_some_and(|to| to.tell(command));
        match answered(told, &added) {
            Some(Ok(())) => Ok(()),
            Some(Err(errno)) => Err(ListenError::Watch {
                ip,
                source: errno.into(),
            }),
            None => Err(ListenError::Stopped),
        }
    }

    #[cfg(test)]
    fn panic(&self, thread: usize) {
        self.threads[thread].tell(WorkerCommand::Panic);
    }

    /// Holds a thread until what is returned is dropped.
    #[cfg(test)]
    fn hold(&self, thread: usize) -> SyncSender<()> {
        let (held, hold) = sync_channel(0);
        self.threads[thread].tell(WorkerCommand::Hold(hold));
        held
    }

    #[cfg(test)]
    fn load(&self) -> Vec<usize> {
        self.state().load.clone()
    }

    fn state(&self) -> MutexGuard<'_, ServerState> {
        self.state.lock()
    }
}

/// A function that [`Server::spawn_watched`] has called when one of the server's threads ends. Each ending thread calls
/// it itself, with its number, counted from 0.
pub type OnEnd = Arc<dyn Fn(usize) + Send + Sync>;

/// Dropped when its thread ends.
struct Ending {
    thread: usize,
    on_end: OnEnd,
}

impl Drop for Ending {
    fn drop(&mut self) {
        (self.on_end)(self.thread);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "dns: the server did not end well");
        }
    }
}

impl Thread {
    fn spawn(config: &Config, shared: Shared, ending: Ending) -> io::Result<Self> {
        let (commands, taken) = sync_channel(COMMANDS);
        let wake = Arc::new(EventFd::from_flags(
            EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK,
        )?);
        let counters = Arc::new(Counters::default());
        let worker = Worker::new(
            config,
            shared,
            taken,
            Arc::clone(&wake),
            Arc::clone(&counters),
        )?;
        let handle = std::thread::Builder::new()
            .name(format!("dns-{}", ending.thread))
            .spawn(|| {
                let _ending = ending;
                worker.run()
            })?;
        Ok(Self {
            commands,
            wake,
            counters,
            handle,
        })
    }

    /// Returns whether the thread will take the command, as far as can be known.
    fn tell(&self, command: WorkerCommand) -> bool {
        self.commands.send(command).is_ok() && self.wake.write(1).is_ok()
    }
}

fn answered<T>(told: bool, answer: &Receiver<T>) -> Option<T> {
    if told { answer.recv().ok() } else { None }
}

fn least_loaded(load: &[usize]) -> usize {
    let least = load.iter().enumerate().min_by_key(|(_, load)| **load);
    least.map_or(0, |(thread, _)| thread)
}

/// Returns whether a gateway can have this address. A link-local address means nothing without its
/// interface.
fn is_gateway(ip: IpAddr) -> bool {
    let local = match ip {
        IpAddr::V4(ip) => ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(local || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests;

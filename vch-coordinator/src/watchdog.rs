//! Notifies the service manager (sd_notify(3)): that the coordinator is ready, that it is stopping,
//! and, at intervals, that it is alive.
//!
//! The coordinator counts as alive while its parts respond. If one does not, the service manager kills the
//! coordinator, and the next coordinator adopts the running VMs.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// The environment variables by which a service manager sets the socket, the watchdog's timeout and
/// the watched process.
const SOCKET: &str = "NOTIFY_SOCKET";
const EVERY: &str = "WATCHDOG_USEC";
const OF: &str = "WATCHDOG_PID";
/// How many notifications are sent within the watchdog's timeout, so that one late notification
/// does no harm.
const TIMES: u32 = 3;

/// The connection to the service manager (as systemd) that started this process, by which it is notified
/// (sd_notify(3)).
#[derive(Debug)]
pub struct Watchdog {
    socket: UnixDatagram,
    /// The watchdog's timeout; `None` if the service manager has no watchdog.
    within: Option<Duration>,
}

impl Watchdog {
    /// Connects to the service manager that the environment names (`NOTIFY_SOCKET`). Returns `None` if the environment
    /// names none.
    ///
    /// # Errors
    /// Returns an error if the service manager cannot be reached.
    pub fn from_environment() -> io::Result<Option<Self>> {
        let Some(address) = env::var_os(SOCKET) else {
            return Ok(None);
        };
        let number = |name| env::var(name).ok()?.parse::<u64>().ok();
        let own = number(OF).is_none_or(|pid| pid == u64::from(std::process::id()));
        let within = number(EVERY).filter(|micros| own && *micros > 0);
        Self::at(&address, within.map(Duration::from_micros)).map(Some)
    }

    fn at(address: &OsStr, within: Option<Duration>) -> io::Result<Self> {
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(address)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.connect_addr(&address)?;
        // A service manager that does not read must not block the coordinator.
        socket.set_nonblocking(true)?;
        Ok(Self { socket, within })
    }

    /// Notifies the service manager that the coordinator is ready to serve requests.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// Notifies the service manager that the coordinator is stopping.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Notifies the service manager at intervals that the coordinator is alive, as long as the future that `answers`
    /// returns yields true in time. Never returns.
    pub async fn keep<F: Future<Output = bool>>(&self, mut answers: impl FnMut() -> F) {
        let Some(within) = self.within else {
            return std::future::pending().await;
        };
        loop {
            match timeout(within, answers()).await {
                Ok(true) => self.tell("WATCHDOG=1"),
                Ok(false) => {
                    tracing::error!("a part of the coordinator has ended; watchdog not notified");
                }
                Err(_) => tracing::error!(
                    ?within,
                    "a part of the coordinator does not respond; watchdog not notified"
                ),
            }
            sleep(within / TIMES).await;
        }
    }

    fn tell(&self, what: &str) {
        // A lost notification is repeated soon, and a service manager that is gone needs none.
        let _ = self.socket.send(what.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::Watchdog;
    use std::{cell::Cell, io::ErrorKind, os::unix::net::UnixDatagram, time::Duration};

    const WITHIN: Duration = Duration::from_secs(30);

    fn manager() -> (tempfile::TempDir, UnixDatagram, Watchdog) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let own = Watchdog::at(path.as_os_str(), Some(WITHIN)).unwrap();
        (dir, manager, own)
    }

    /// Each message that has come.
    fn told(manager: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 64];
        let mut all = Vec::new();
        loop {
            match manager.recv(&mut buffer) {
                Ok(count) => all.push(String::from_utf8(buffer[..count].to_vec()).unwrap()),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return all;
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_whose_parts_answer_is_said_to_live_three_times_in_the_time() {
        let (_dir, manager, own) = manager();
        own.ready();
        let keeping = own.keep(|| async { true });
        assert!(
            tokio::time::timeout(WITHIN - Duration::from_secs(1), keeping)
                .await
                .is_err()
        );
        own.stopping();
        let lives = "WATCHDOG=1";
        assert_eq!(
            told(&manager),
            ["READY=1", lives, lives, lives, "STOPPING=1"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_which_a_part_has_ended_or_hangs_is_not() {
        let (_dir, manager, own) = manager();
        let ended = own.keep(|| async { false });
        assert!(tokio::time::timeout(4 * WITHIN, ended).await.is_err());
        let asked = Cell::new(0);
        let hangs = own.keep(|| {
            asked.set(asked.get() + 1);
            std::future::pending()
        });
        assert!(tokio::time::timeout(4 * WITHIN, hangs).await.is_err());
        assert!(asked.get() > 1, "it is asked again");
        assert!(told(&manager).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_manager_without_a_watchdog_and_an_abstract_name_are_served_too() {
        let name = format!("vch-watchdog-{}", std::process::id());
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let own = Watchdog::at(format!("@{name}").as_ref(), None).unwrap();
        own.ready();
        let keeping = own.keep(|| async { true });
        assert!(tokio::time::timeout(WITHIN, keeping).await.is_err());
        assert_eq!(told(&manager), ["READY=1"]);
    }
}

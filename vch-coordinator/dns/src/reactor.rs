//! The waiting of one thread: an epoll instance and a heap of timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// The kind of object that a token stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The thread's own event counter, which says that commands wait.
    Wake,
    /// A gateway's UDP socket.
    Udp,
    /// A gateway's TCP listener.
    Listener,
    /// A client's TCP connection.
    Connection,
    /// A try to ask an upstream server.
    Exchange,
}

const KINDS: [Kind; 5] = [
    Kind::Wake,
    Kind::Udp,
    Kind::Listener,
    Kind::Connection,
    Kind::Exchange,
];

/// The identity of one registration. A token is never used again, so an event or a timer that
/// arrives after its object was closed finds no object, instead of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(u64);

impl Token {
    pub(crate) fn new(serial: u64, kind: Kind) -> Self {
        Self(serial << 3 | kind as u64)
    }

    pub(crate) fn kind(self) -> Kind {
        let index = usize::try_from(self.0 & 7).unwrap_or_default();
        KINDS.get(index).copied().unwrap_or(Kind::Wake)
    }
}

/// An epoll instance and a heap of timers. It is level-triggered: a socket with unread data is
/// reported again, so a busy socket need not be read to its end before the others are served.
#[derive(Debug)]
pub(crate) struct Reactor {
    epoll: Epoll,
    next: u64,
    timers: BinaryHeap<Reverse<(Instant, Token)>>,
}

impl Reactor {
    /// Makes a reactor without descriptors.
    ///
    /// # Errors
    /// Returns the kernel's error if the epoll instance can't be made.
    pub(crate) fn new() -> Result<Self, Errno> {
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            next: 0,
            timers: BinaryHeap::new(),
        })
    }

    /// Registers a descriptor for events, until it is closed.
    ///
    /// # Errors
    /// Returns the kernel's error if the descriptor can't be added to the epoll instance.
    pub(crate) fn register(
        &mut self,
        kind: Kind,
        fd: impl AsFd,
        interest: EpollFlags,
    ) -> Result<Token, Errno> {
        self.next += 1;
        let token = Token::new(self.next, kind);
        self.epoll.add(fd, EpollEvent::new(interest, token.0))?;
        Ok(token)
    }

    /// Changes the events that a descriptor is registered for.
    ///
    /// # Errors
    /// Returns the kernel's error if the registration can't be changed.
    pub(crate) fn reregister(
        &self,
        token: Token,
        fd: impl AsFd,
        interest: EpollFlags,
    ) -> Result<(), Errno> {
        self.epoll
            .modify(fd, &mut EpollEvent::new(interest, token.0))
    }

    /// Makes [`Reactor::expired`] return the token once `when` is past. Timers are not cancelled: a
    /// token's object checks for itself whether the time is over.
    pub(crate) fn arm(&mut self, token: Token, when: Instant) {
        self.timers.push(Reverse((when, token)));
    }

    /// Waits for events or the next timer; does not wait if the thread is `busy`.
    ///
    /// # Errors
    /// Returns the kernel's error if epoll_wait(2) fails.
    pub(crate) fn wait(&self, events: &mut [EpollEvent], busy: bool) -> Result<usize, Errno> {
        let timeout = match self.timers.peek() {
            _ if busy => EpollTimeout::ZERO,
            None => EpollTimeout::NONE,
            Some(Reverse((when, _))) => {
                // Rounded up, lest the last millisecond is spent spinning.
                let left =
                    when.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
                EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
            }
        };
        match self.epoll.wait(events, timeout) {
            Err(Errno::EINTR) => Ok(0),
            other => other,
        }
    }

    /// Returns the token of the next timer that is past.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Token> {
        let Reverse((when, _)) = self.timers.peek()?;
        if *when > now {
            return None;
        }
        self.timers.pop().map(|Reverse((_, token))| token)
    }
}

/// Returns the token and flags of an event.
pub(crate) fn parts(event: EpollEvent) -> (Token, EpollFlags) {
    (Token(event.data()), event.events())
}

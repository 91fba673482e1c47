//! The agent that runs in each container's VM. It makes the VM's network agree with the newest spec ([`NetSpec`]) that
//! the coordinator sends.
//!
//! ```text
//!   coordinator ═══ session ──► newest NetSpec ─┐
//!        ▲                                      ▼
//!        └── report ◄── converge:  observe ──► plan ──► apply ──► observe …
//!                          ▲         │ netlink  pure     │ netlink, /proc/sys
//!             watch ───────┘         ▼                   ▼
//!        (kernel events)      sysfs: PCI path       announce, resolver files
//! ```
//!
//! The agent has one thread; the session and the converge loop are two tasks of it. Invariants:
//!
//! - Only `observe`, `apply`, `announce`, `settings` and `watch` touch the kernel's network, only `resolver` writes
//!   files, only `reseed` changes the kernel's random numbers. None of them decides anything: all policy is in
//!   [`plan`].
//! - The agent removes only objects that it has made. They have the number [`MARK`]: routes as their protocol,
//!   addresses as theirs (`IFA_PROTO`, Linux 5.18 and later), links as their group (`ip link show group 77`). The
//!   kernel keeps the marks, so a restarted agent recognizes its own objects. An older kernel has no mark on addresses.
//!   There the agent remembers the addresses that it added; after a restart it considers none as its own, and leaves
//!   those that the spec no longer has.
//! - Applying a spec a second time needs no step.
//!
//! [`NetSpec`]: protocol::spec::NetSpec

pub mod agent;
pub mod announce;
pub mod apply;
pub mod converge;
pub mod hold;
pub mod log;
pub mod netlink;
mod notify;
pub mod observe;
pub mod options;
pub mod plan;
pub mod reseed;
pub mod resolver;
mod session;
pub mod settings;
pub mod watch;

/// The number that marks the kernel objects that the agent has made: the protocol of its routes and addresses, and the
/// group of its links.
///
/// `linux/rtnetlink.h` leaves the `RTPROT_*` values above `RTPROT_STATIC` (4) to programs. 77 is not one of those that
/// it lists, nor of iproute2's `rt_protos`.
pub const MARK: u8 = 77;

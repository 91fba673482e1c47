//! The agent in each container VM: it makes the VM's network what the coordinator says it is.
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
//! One thread; the session and the converge loop are two tasks of it. Invariants:
//!
//! * only `observe`, `apply`, `announce` and `watch` touch the kernel's network, only `resolver`
//!   writes files, only `reseed` the kernel's random numbers, and none of them decides anything: all
//!   policy is in [`plan`];
//! * the agent removes only what it set. What it set bears the number [`MARK`]: routes as their
//!   protocol, addresses as theirs (`IFA_PROTO`, Linux 5.18 and later), links as their group
//!   (`ip link show group 77`). The kernel keeps the marks, so a restarted agent knows its own
//!   work. An older kernel has no mark on addresses: there the agent remembers those that it added
//!   itself, and after its restart takes none for its own; what the spec no longer wants then stays.
//! * applied twice, a spec is no step at all.

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

/// The number that marks the agent's own objects: the protocol of its routes and addresses, and the
/// group of its links.
///
/// `linux/rtnetlink.h` says that `RTPROT_*` values above `RTPROT_STATIC` (4) are not the kernel's
/// to interpret; 77 is none of those it lists, nor of iproute2's `rt_protos`.
pub const MARK: u8 = 77;

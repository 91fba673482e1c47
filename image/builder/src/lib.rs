//! The bootstrap image, which a container VM boots before it has a file system of its own.
//!
//! ```text
//!  Debian packages ── debian ──▶ kernel/, busybox/          (downloaded and unpacked once, never installed)
//!                       │
//!        kernel ◀───────┴──────▶ modules ──▶ module_disk      bzImage -> vmlinux; .ko files in dependency order;
//!           │                       │                         modules.squashfs: those that are loaded on demand
//!           │                       │   guest/init, agent, files the caller adds
//!           ▼                       ▼
//!        vmlinux                 archive ──▶ NAME.cpio       the same inputs give the same bytes
//! ```
//!
//! Architecture invariant: only [`debian`] runs programs, and only [`bootstrap`] decides what goes into the archive. How
//! the image is booted is `vch-qemu`'s.

pub mod archive;
pub mod bootstrap;
pub mod debian;
pub mod kernel;
pub mod module_disk;
pub mod modules;

//! Makes the bootstrap image: the kernel and the initramfs that a container VM boots before it mounts a container's
//! file system. [`bootstrap::Recipe`] describes an image and builds it.
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
//! Architecture invariant: only [`debian`] runs programs, and only [`bootstrap`] decides what goes into the archive.
//! The package `vch-qemu` boots the image.

pub mod archive;
pub mod bootstrap;
pub mod debian;
pub mod kernel;
pub mod module_disk;
pub mod modules;

//! The images of a VCH: kept as an OCI image layout, brought in by a process without privileges, and made
//! into one squashfs each, from which container VMs run.
//!
//! ```text
//!  client's bytes ──► store ──stdin──► vch-image (own user and root, no network, one staging directory)
//!                       ▲                  │ reads tar, gzip, zstd, JSON; takes digests
//!                       └── JSON lines ────┘ leaves files in the staging directory
//!  store: owns each file, takes its digest again, renames it into blobs/, replaces index.json
//!  rootfs(image): layers ──► merge (pure) ──► one archive ──pipe──► sqfstar ──► rootfs/<id>.squashfs
//! ```
//!
//! Invariants: what comes from outside is parsed only in `vch-image`; nothing is unpacked into the host's
//! file system; a blob is never changed; index.json names only what is whole on disk.
//!
//! Use: [`Store::open`], then [`Store::import`] or [`Store::load`]; [`Store::find`] gives an [`Image`];
//! [`Store::rootfs`] and [`Store::new_writable_layer`] give a container its two disks.

pub mod changes;
pub mod config;
pub mod digest;
mod job;
pub mod layer;
pub mod limits;
pub mod merge;
mod oci;
pub mod reference;
mod sandbox;
mod settings;
pub mod store;
pub mod subprocess;
pub mod tar;
mod worker;

pub use digest::Digest;
pub use job::{Detail, Progress};
pub use limits::Limits;
pub use oci::{Descriptor, Distribution, Platform};
pub use reference::Reference;
pub use settings::Settings;
pub use store::{Image, ImageError, Import, Store};

//! The store of container images on this host (the VCH). Images are kept as an OCI image layout. A separate process
//! without privileges, `vch-image` (here called the helper), reads everything that comes from outside. Of each image
//! one squashfs file is made, the read-only root file system of container VMs.
//!
//! ```text
//!  client's bytes ──► store ──stdin──► vch-image (own user and root, no network, one staging directory)
//!                       ▲                  │ reads tar, gzip, zstd, JSON; computes digests
//!                       └── JSON lines ────┘ leaves files in the staging directory
//!  store: owns each file, computes its digest again, renames it into blobs/, replaces index.json
//!  rootfs(image): layers ──► merge (pure) ──► one archive ──pipe──► sqfstar ──► rootfs/<id>.squashfs
//! ```
//!
//! Invariants: data from outside is parsed only in `vch-image`; nothing is unpacked into the host's file system; a blob
//! is never changed; index.json names only images that are complete on disk.
//!
//! Use: [`Store::open`], then [`Store::pull`], [`Store::import`] or [`Store::load`]; [`Store::find`] returns an
//! [`Image`]; [`Store::rootfs`] and [`Store::new_writable_layer`] make a container's two disks.

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

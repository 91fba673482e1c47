//! The settings of a store.

use crate::limits::Limits;
use std::path::PathBuf;

/// The settings of a store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store's directory.
    pub dir: PathBuf,
    /// The path of the program `vch-image`.
    pub helper: PathBuf,
    /// The first of the user IDs that the helpers run as, if the coordinator is root; each job has one of its own.
    pub first_user: u32,
    /// The size of a container's writable disk in bytes.
    pub writable_layer_bytes: u64,
    /// The registries that are asked without TLS, as `host` or `host:port`.
    pub insecure: Vec<String>,
    /// The bounds of one image.
    pub limits: Limits,
    /// The bytes of the file system that images leave free; `None` for a twentieth of it, at most 1 GiB.
    pub free_bytes: Option<u64>,
}

impl Settings {
    /// The default of the helpers' first user ID: near the end of signed 32-bit numbers, in a range that systemd's
    /// "Users, Groups, UIDs and GIDs on systemd Systems" lists as unused; no user of a VM is in it.
    pub const FIRST_USER: u32 = 0x7fff_0000;
    /// The default size of a container's writable disk in bytes: 10 GiB, as with dockerd's device mapper.
    pub const UPPER_BYTES: u64 = 10 << 30;
}

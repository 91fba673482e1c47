//! The settings of an image store.

use crate::limits::Limits;
use std::path::PathBuf;

/// The settings of an image store: where it is, how it starts its helper process, and its limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store's directory. The store makes it.
    pub dir: PathBuf,
    /// The path of the helper program `vch-image`, which reads everything that comes from outside.
    pub helper: PathBuf,
    /// The first of the user IDs that helper processes run as, if the coordinator is root. Each running helper has one
    /// of its own, counted from this one.
    pub first_user: u32,
    /// The size of a container's writable disk in bytes, if the container sets none: that of its ext4 file system. The
    /// file on the host is sparse.
    pub writable_layer_bytes: u64,
    /// The registries that are contacted without TLS, as `host` or `host:port`, as the image's name has it. Registries
    /// on this host are contacted without TLS in any case.
    pub insecure: Vec<String>,
    /// The limits of images and archives that are pulled, loaded or imported.
    pub limits: Limits,
    /// How many bytes of the store's file system it leaves free: with less, it takes in no image. `None` for a
    /// twentieth of the file system, at most 1 GiB.
    pub free_bytes: Option<u64>,
}

impl Settings {
    /// The default of the helpers' first user ID: near the end of signed 32-bit numbers, in a range that systemd's
    /// "Users, Groups, UIDs and GIDs on systemd Systems" lists as unused; no user of a VM is in it.
    pub const FIRST_USER: u32 = 0x7fff_0000;
    /// The default size of a container's writable disk in bytes: 10 GiB, as with dockerd's device mapper.
    pub const WRITABLE_LAYER_BYTES: u64 = 10 << 30;
}

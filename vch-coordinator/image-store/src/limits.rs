//! What an image may take at most. Everything that comes from outside is held against these.

use serde::{Deserialize, Serialize};

/// Bounds of one image. Whoever runs the VCH may set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Layers.
    pub layers: usize,
    /// Files and directories of one image, over all of its layers.
    pub entries: u64,
    /// Bytes of an archive, or of all of an image's layers, as they arrive.
    pub packed_bytes: u64,
    /// Bytes of all of an image's layers, unpacked, holes of sparse files counted.
    pub unpacked_bytes: u64,
    /// Bytes of a path within an image (PATH_MAX of linux/limits.h).
    pub path_bytes: usize,
    /// Bytes of one name in a path (NAME_MAX of linux/limits.h).
    pub name_bytes: usize,
    /// Bytes of what stands beside a file's data in a layer: long names and extended attributes.
    pub extra_bytes: u64,
    /// Bytes of all paths, links and extended attributes of an image: they are in memory at the same time.
    pub names_bytes: u64,
    /// Bytes of a manifest, an index or a configuration (4 MiB is what registries take).
    pub document_bytes: u64,
    /// Images in one archive.
    pub images: usize,
    /// Seconds that a registry may be silent.
    pub read_seconds: u64,
    /// Bytes a second that a registry must send, on the average of as many seconds as it may be silent.
    pub least_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layers: 127,
            entries: 1_000_000,
            packed_bytes: 16 << 30,
            unpacked_bytes: 32 << 30,
            path_bytes: 4096,
            name_bytes: 255,
            extra_bytes: 1 << 20,
            names_bytes: 256 << 20,
            document_bytes: 4 << 20,
            images: 64,
            read_seconds: 60,
            least_rate: 8 << 10,
        }
    }
}

//! Bounds of images. Everything that comes from outside is checked against them.

use serde::{Deserialize, Serialize};

/// The bounds of one image; the administrator may set them in vch.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The most layers.
    pub layers: usize,
    /// The most files and directories of one image, over all of its layers.
    pub entries: u64,
    /// The most bytes of an archive, or of all of an image's layers, as they arrive.
    pub packed_bytes: u64,
    /// The most bytes of all of an image's layers, unpacked; holes of sparse files count.
    pub unpacked_bytes: u64,
    /// The most bytes of a path within an image (PATH_MAX of linux/limits.h).
    pub path_bytes: usize,
    /// The most bytes of one name in a path (NAME_MAX of linux/limits.h).
    pub name_bytes: usize,
    /// The most bytes of an entry's long names and extended attributes in a layer.
    pub extra_bytes: u64,
    /// The most bytes of all paths, links and extended attributes of an image, which are in memory at the same time.
    pub names_bytes: u64,
    /// The most bytes of a manifest, an index or a configuration (4 MiB is what registries take).
    pub document_bytes: u64,
    /// The most images in one archive.
    pub images: usize,
    /// The most seconds that a registry may be silent.
    pub read_seconds: u64,
    /// The least bytes a second that a registry must send, averaged over `read_seconds`.
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

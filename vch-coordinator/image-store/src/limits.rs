//! Limits of images. Everything that comes from outside is checked against them.

use serde::{Deserialize, Serialize};

/// The limits of an image, of an archive of images, and of a registry's pace. The administrator can change
/// `packed_bytes`, `unpacked_bytes` and `entries`, in the table `[images]` of vch.toml; all others are always the
/// defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The maximum number of an image's layers. The default is 127.
    pub layers: usize,
    /// The maximum number of entries (files, directories, links, devices) in an image, over all of its layers. The
    /// default is 1,000,000.
    pub entries: u64,
    /// The maximum size in bytes of an imported archive, of all files in a loaded archive together, or of all layers of
    /// a pulled image together, compressed or not as they arrive. The default is 16 GiB.
    pub packed_bytes: u64,
    /// The maximum sum of the sizes of the files in all of an image's layers, in bytes; holes of sparse files count,
    /// and so do files that a higher layer replaces. The default is 32 GiB.
    pub unpacked_bytes: u64,
    /// The maximum length of a path within an image, in bytes. The default is 4,096 (PATH_MAX of
    /// linux/limits.h).
    pub path_bytes: usize,
    /// The maximum length of one name in a path, in bytes. The default is 255 (NAME_MAX of
    /// linux/limits.h).
    pub name_bytes: usize,
    /// The maximum size of the long names and extended attributes of one file in a layer, in bytes.
    /// The default is 1 MiB.
    pub extra_bytes: u64,
    /// The maximum size of all paths, link targets and extended attributes of an image, in bytes.
    /// They are in memory at the same time. The default is 256 MiB.
    pub names_bytes: u64,
    /// The maximum size of a manifest, an index or a configuration, in bytes. The default is 4 MiB,
    /// which is also what registries accept.
    pub document_bytes: u64,
    /// The maximum number of images in one archive that is loaded. The default is 64.
    pub images: usize,
    /// The maximum time for which a registry may send nothing, in seconds. The default is 60.
    pub read_seconds: u64,
    /// The minimum rate at which a registry must send, in bytes a second, averaged over
    /// [`read_seconds`](Self::read_seconds). The default is 8,192.
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

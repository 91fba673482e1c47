//! Sparse files: the parts of a file that an archive holds. GNU tar's old form, and its pax forms
//! 0.0, 0.1 and 1.0 (GNU tar manual, "Storing Sparse Files").

/// The stored parts of a file (offset, bytes) in rising order, without overlaps; the rest of the
/// file is zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map(Vec<(u64, u64)>);

impl Map {
    /// Makes a map; `None` unless the parts rise within the file's `size` and are together as long as the `stored`
    /// bytes.
    pub(super) fn new(parts: Vec<(u64, u64)>, size: u64, stored: u64) -> Option<Self> {
        let mut end = 0;
        let mut sum = 0_u64;
        for (offset, length) in &parts {
            if *offset < end {
                return None;
            }
            end = offset.checked_add(*length)?;
            sum = sum.checked_add(*length)?;
        }
        (end <= size && sum == stored).then_some(Self(parts))
    }

    pub(super) fn parts(&self) -> &[(u64, u64)] {
        &self.0
    }
}

//! Limits an image over all of its layers.

use super::WorkError;
use crate::job::{ArrivedLayer, Piece};
use crate::layer::Unpacked;
use crate::limits::Limits;
use crate::merge::{self, LayerError};
use std::fs::File;

/// The rest of the limits for an image's further layers.
pub(super) struct Budget {
    limits: Limits,
    bytes: u64,
    entries: u64,
    /// The bytes of archives that may still be unpacked: headers and padding make them more than
    /// the files. A bound of its own stops decompression bombs.
    stream: u64,
}

impl Budget {
    /// Returns the whole limits of one image.
    pub fn new(limits: Limits) -> Self {
        Self {
            bytes: limits.unpacked_bytes,
            entries: limits.entries,
            stream: limits.unpacked_bytes.saturating_mul(2),
            limits,
        }
    }

    /// Reads a whole layer, checks that it is an archive within the rest of the limits, and returns
    /// its digests and sizes.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the layer can't be read, is not an archive or exceeds the limits.
    pub fn examine(&mut self, piece: Piece) -> Result<ArrivedLayer, WorkError> {
        let file = File::open(&piece.file).map_err(|source| WorkError::File {
            file: piece.file.clone(),
            source,
        })?;
        let packed = |source| WorkError::Packing {
            file: piece.file.clone(),
            source,
        };
        let limits = Limits {
            unpacked_bytes: self.bytes,
            entries: self.entries,
            ..self.limits
        };
        let mut unpacked = Unpacked::new(file, self.stream).map_err(packed)?;
        let packing = unpacked.packing();
        let (entries, bytes) = merge::entries(&mut unpacked, limits).map_err(|source| {
            let (file, source) = (piece.file.clone(), self.whole(source));
            WorkError::Layer { file, source }
        })?;
        let (diff_id, stream) = unpacked.finish().map_err(packed)?;
        self.entries -= entries.len() as u64;
        self.stream -= stream;
        self.take(bytes)?;
        Ok(ArrivedLayer {
            piece,
            packing,
            diff_id,
            bytes,
        })
    }

    /// Subtracts a layer that was already examined for another image from the rest.
    ///
    /// # Errors
    /// Returns [`WorkError`] if the layer has more bytes than the rest.
    pub fn take(&mut self, bytes: u64) -> Result<(), WorkError> {
        let left = self.bytes.checked_sub(bytes);
        self.bytes =
            left.ok_or_else(|| WorkError::Content(merge::too_many_bytes(self.limits).to_string()))?;
        Ok(())
    }

    /// Returns the error with the bound that was set, in place of the rest of it.
    fn whole(&self, error: LayerError) -> LayerError {
        match error {
            LayerError::Bound { setting, .. } if setting == merge::ENTRIES => {
                merge::too_many_entries(self.limits)
            }
            LayerError::Bound { .. } => merge::too_many_bytes(self.limits),
            error => error,
        }
    }
}

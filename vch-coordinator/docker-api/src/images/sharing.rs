//! Finds the layers that several images share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use vch_image_store::{Digest, Image};

/// For each layer, the number of images that have it.
pub struct Sharing(BTreeMap<Digest, usize>);

impl Sharing {
    /// Counts the layers of the images.
    pub fn of(images: &[Arc<Image>]) -> Self {
        let mut counts = BTreeMap::new();
        for image in images {
            for (layer, _) in layers(image) {
                *counts.entry(layer).or_insert(0) += 1;
            }
        }
        Self(counts)
    }

    /// Returns the bytes of an image's packed layers that other images have as well. The disk holds such a layer
    /// once.
    pub fn bytes(&self, image: &Image) -> u64 {
        let shared = |layer: &Digest| self.0.get(layer).is_some_and(|count| *count > 1);
        let layers = layers(image).into_iter();
        layers
            .filter(|(layer, _)| shared(layer))
            .map(|(_, size)| size)
            .sum()
    }
}

/// Returns the image's layers without repetition, with their sizes in bytes.
fn layers(image: &Image) -> BTreeSet<(Digest, u64)> {
    let layers = image.layers.iter();
    layers.map(|layer| (layer.digest, layer.size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vch_image_store::Descriptor;

    fn image(layers: &[(char, u64)]) -> Arc<Image> {
        let digest = |letter: char| {
            let text = format!("sha256:{}", letter.to_string().repeat(64));
            text.parse().expect("digest")
        };
        let descriptor = |(letter, size)| Descriptor {
            media_type: String::new(),
            digest: digest(letter),
            size,
            platform: None,
            annotations: BTreeMap::new(),
        };
        Arc::new(Image {
            id: digest('0'),
            config: vch_image_store::config::Config::default(),
            manifest: descriptor(('0', 0)),
            layers: layers.iter().copied().map(descriptor).collect(),
            bytes: 0,
            names: BTreeSet::new(),
        })
    }

    #[test]
    fn layers_that_images_share_are_counted_once_for_each() {
        let one = image(&[('a', 1), ('b', 2), ('b', 2)]);
        let two = image(&[('b', 2), ('c', 4)]);
        let sharing = Sharing::of(&[Arc::clone(&one), Arc::clone(&two)]);
        assert_eq!((sharing.bytes(&one), sharing.bytes(&two)), (2, 2));
        let alone = Sharing::of(&[Arc::clone(&one)]);
        assert_eq!(alone.bytes(&one), 0);
    }
}

//! The names of images, and the registries that are on this machine.

use super::{Image, ImageError};
use crate::digest::Digest;
use crate::reference::Reference;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Returns whether a registry is on this machine, by its name.
pub(super) fn is_loopback(registry: &str) -> bool {
    let host = match registry
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((address, _)) => address,
        None => registry.split(':').next().unwrap_or(registry),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Gives names to an image, and takes them from all others.
pub(super) fn rename(
    images: &mut BTreeMap<Digest, Arc<Image>>,
    to: Digest,
    names: impl IntoIterator<Item = Reference>,
) {
    for name in names {
        for (id, image) in images.iter_mut() {
            if (*id == to) != image.names.contains(&name) {
                let image = Arc::make_mut(image);
                if *id == to {
                    image.names.insert(name.clone());
                } else {
                    image.names.remove(&name);
                }
            }
        }
    }
}

/// Returns the image of a whole ID, else of a name, else of the beginning of an ID.
///
/// # Errors
/// - [`ImageError::Unknown`] if no image has that name or ID.
/// - [`ImageError::Ambiguous`] if the IDs of several images begin with it.
pub(super) fn find(
    images: &BTreeMap<Digest, Arc<Image>>,
    text: &str,
) -> Result<Arc<Image>, ImageError> {
    if let Ok(id) = text.parse::<Digest>()
        && let Some(image) = images.get(&id)
    {
        return Ok(Arc::clone(image));
    }
    let name = text.parse::<Reference>();
    if let Ok(name) = &name
        && let Some(image) = images.values().find(|image| image.names.contains(name))
    {
        return Ok(Arc::clone(image));
    }
    let unknown = || {
        let shown = name.map_or_else(|_| text.to_owned(), |name| name.familiar());
        ImageError::Unknown(shown)
    };
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(unknown());
    }
    let mut found = images
        .values()
        .filter(|image| image.id.hex().starts_with(digits));
    match (found.next(), found.next()) {
        (Some(image), None) => Ok(Arc::clone(image)),
        (Some(_), Some(_)) => Err(ImageError::Ambiguous(text.to_owned())),
        (None, _) => Err(unknown()),
    }
}

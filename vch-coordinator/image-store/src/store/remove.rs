//! Removes images as `docker rmi` and `docker image prune` do, with dockerd 20.10's meaning and
//! messages (daemon/images/image_delete.go).

use super::contents::Images;
use super::state::Inner;
use super::{Conflict, Image, ImageError, Store, find, index};
use crate::digest::{Digest, Hasher};
use crate::reference::{Reference, Which};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A container and the image that it was created from. The store knows no containers: the caller of [`Store::remove`]
/// and [`Store::prune`] passes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The container's ID, 64 hex digits.
    pub container: String,
    /// The ID of the image that the container was created from.
    pub image: Digest,
    /// Whether the container runs.
    pub running: bool,
}

/// One step of a removal, as `docker rmi` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// This name was removed, written as Docker shows names.
    Untagged(String),
    /// An image was deleted, by this ID; or a layer that no other image uses, by this chain ID (OCI
    /// image-spec, config.md).
    Deleted(String),
}

impl Store {
    /// Removes an image's name or the image itself, as `docker rmi` does. `text` is a name or an ID, as for
    /// [`Store::find`]. An image is deleted with its last name, unless a container still uses it. With `force`, also
    /// deletes an image that has several names or that stopped containers use; one that a running container uses stays
    /// in any case. `uses` lists all containers of the host with their images. Returns the steps in order.
    ///
    /// # Errors
    /// - [`ImageError::Unknown`] or [`ImageError::Ambiguous`] as [`Store::find`] returns them.
    /// - [`ImageError::Conflict`] if the image may not be removed.
    /// - [`ImageError::File`] if index.json can't be written. Nothing has changed then.
    pub async fn remove(
        &self,
        text: &str,
        force: bool,
        uses: Vec<Use>,
    ) -> Result<Vec<Removed>, ImageError> {
        let text = text.to_owned();
        self.blocking(move |inner| {
            let mut before = Images::new();
            let records = inner.change(|images| {
                before.clone_from(images);
                decide(images, &text, force, &uses)
            })?;
            clean(inner, &before);
            Ok(records)
        })
        .await
    }

    /// Removes images that no container uses, as `docker image prune` does: only those without a tag, or also those
    /// with tags if `all` is true. Only images for which `wanted` returns true are removed. `uses` lists all containers
    /// of the host with their images. Returns the steps in order, and the size of the deleted files in bytes.
    ///
    /// # Errors
    /// Returns [`ImageError::File`] if index.json can't be written. Nothing has changed then.
    pub async fn prune(
        &self,
        all: bool,
        uses: Vec<Use>,
        wanted: impl Fn(&Image) -> bool + Send + 'static,
    ) -> Result<(Vec<Removed>, u64), ImageError> {
        self.blocking(move |inner| {
            let mut before = Images::new();
            let records = inner.change(|images| {
                before.clone_from(images);
                let mut records = Vec::new();
                for image in before.values() {
                    let tag = |name: &Reference| matches!(name.which(), Which::Tag(_));
                    let dangling = !image.names.iter().any(tag);
                    let used = uses.iter().any(|one| one.image == image.id);
                    if (all || dangling) && !used && wanted(image) {
                        delete(images, image.id, &mut records);
                    }
                }
                Ok(records)
            })?;
            let freed = clean(inner, &before);
            Ok((records, freed))
        })
        .await
    }
}

/// Decides what to remove, without I/O.
fn decide(
    images: &mut Images,
    text: &str,
    force: bool,
    uses: &[Use],
) -> Result<Vec<Removed>, ImageError> {
    let image = find(images, text)?;
    let id = image.id;
    let mut records = Vec::new();
    let by_id = id.to_string().starts_with(text) || id.hex().starts_with(text);
    let mut untagged = false;
    if by_id {
        if is_single(&image.names) {
            // Its only name does not stand in the way of its ID.
            conflict(&image, force, false, uses)?;
            for name in image.names.clone() {
                untag(images, id, &name, &mut records);
            }
        }
    } else {
        let user = uses.iter().find(|one| one.image == id);
        if let Some(user) = user
            && !force
            && is_single(&image.names)
        {
            let name = text.to_owned();
            let container = short(&user.container);
            let image = id.short();
            return Err(Conflict::Name {
                name,
                container,
                image,
            }
            .into());
        }
        let name: Reference = text.parse()?;
        untag(images, id, &name, &mut records);
        let rest = images
            .get(&id)
            .map(|image| image.names.clone())
            .unwrap_or_default();
        let same = |other: &&Reference| other.repository() == name.repository();
        let tag = |other: &Reference| matches!(other.which(), Which::Tag(_));
        // A repository's digests go with its last tag.
        if tag(&name) && !rest.iter().filter(same).any(tag) {
            for other in rest.iter().filter(same) {
                untag(images, id, other, &mut records);
            }
        }
        if images.get(&id).is_some_and(|image| !image.names.is_empty()) {
            return Ok(records);
        }
        untagged = true;
    }
    let now = images.get(&id).cloned().unwrap_or(image);
    match conflict(&now, force, true, uses) {
        Ok(()) => delete(images, id, &mut records),
        // The name was to go, and is gone; the image stays for its container.
        Err(_) if untagged => {}
        Err(conflict) => return Err(conflict.into()),
    }
    Ok(records)
}

/// Returns whether the names are at most one tag, and digests of its repository.
fn is_single(names: &BTreeSet<Reference>) -> bool {
    let tags = names
        .iter()
        .filter(|name| matches!(name.which(), Which::Tag(_)));
    let repositories: BTreeSet<_> = names.iter().map(Reference::repository).collect();
    names.len() <= 1 || (tags.count() <= 1 && repositories.len() == 1)
}

fn conflict(image: &Image, force: bool, names: bool, uses: &[Use]) -> Result<(), Conflict> {
    let refuse = |force, why| {
        Err(Conflict::Image {
            image: image.id.short(),
            force,
            why,
        })
    };
    let mut users = uses.iter().filter(|one| one.image == image.id);
    if let Some(user) = users.clone().find(|one| one.running) {
        let why = format!(
            "image is being used by running container {}",
            short(&user.container)
        );
        return refuse("cannot be forced", why);
    }
    if force {
        return Ok(());
    }
    if names && image.names.len() > 1 {
        return refuse(
            "must be forced",
            "image is referenced in multiple repositories".to_owned(),
        );
    }
    match users.next() {
        Some(user) => {
            let why = format!(
                "image is being used by stopped container {}",
                short(&user.container)
            );
            refuse("must be forced", why)
        }
        None => Ok(()),
    }
}

fn short(container: &str) -> String {
    container.chars().take(12).collect()
}

fn untag(images: &mut Images, id: Digest, name: &Reference, records: &mut Vec<Removed>) {
    if let Some(image) = images.get_mut(&id)
        && image.names.contains(name)
    {
        Arc::make_mut(image).names.remove(name);
        records.push(Removed::Untagged(name.familiar()));
    }
}

fn delete(images: &mut Images, id: Digest, records: &mut Vec<Removed>) {
    let Some(image) = images.remove(&id) else {
        return;
    };
    records.extend(
        image
            .names
            .iter()
            .map(|name| Removed::Untagged(name.familiar())),
    );
    records.push(Removed::Deleted(id.to_string()));
    let left: BTreeSet<_> = images.values().flat_map(|image| chains(image)).collect();
    let gone = chains(&image)
        .into_iter()
        .rev()
        .filter(|chain| !left.contains(chain));
    records.extend(gone.map(|chain| Removed::Deleted(chain.to_string())));
}

/// Returns the ID of each layer with all layers below it (OCI image-spec, config.md: ChainID).
fn chains(image: &Image) -> Vec<Digest> {
    let mut chains: Vec<Digest> = Vec::new();
    for layer in &image.config.rootfs.diff_ids {
        chains.push(match chains.last() {
            None => *layer,
            Some(below) => {
                let mut hasher = Hasher::default();
                hasher.update(format!("{below} {layer}").as_bytes());
                hasher.finish()
            }
        });
    }
    chains
}

/// Removes the files of images that are gone; returns their bytes.
fn clean(inner: &Inner, before: &Images) -> u64 {
    let now = inner.state();
    let gone = before.values();
    let gone = gone.filter(|image| !now.images.contains_key(&image.id));
    inner.discard(gone.flat_map(|image| index::digests(image)))
}

#[cfg(test)]
mod tests;

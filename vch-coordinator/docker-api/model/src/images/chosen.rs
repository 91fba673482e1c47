//! Selects the images of a list, `GET /images/json` (`docker images`), by its filters.

use crate::{
    DockerError,
    filters::Filters,
    images::{
        created, labels,
        named::{is_meant, names},
    },
    time::TimeBound,
};
use std::{sync::Arc, time::Duration};
use vch_image_store::{Image, Store};

/// Returns those of the `images` that match all filters, in the same order. `store` finds the images that the filters
/// `before` and `since` name.
///
/// # Errors
/// Returns 400 if a filter is unknown or its value is not valid, and 404 if `before` or `since` names no image.
pub fn chosen(
    store: &Store,
    images: Vec<Arc<Image>>,
    filters: &Filters,
) -> Result<Vec<Arc<Image>>, DockerError> {
    filters.only(&["dangling", "label", "before", "since", "reference", "until"])?;
    let dangling = filters
        .switch("dangling")
        .map_err(|_| filters.invalid("dangling"))?;
    let bound = |name: &str| -> Result<Option<Duration>, DockerError> {
        match filters.values(name).next() {
            None => Ok(None),
            Some(text) => Ok(Some(created(&*store.find(text)?))),
        }
    };
    let (before, since) = (bound("before")?, bound("since")?);
    let until = filters.until(TimeBound::List)?;
    let own = |image: &Arc<Image>| {
        let at = created(image);
        let (tags, _) = names(image);
        dangling.is_none_or(|wanted| wanted == tags.is_empty())
            && before.is_none_or(|before| at < before)
            && since.is_none_or(|since| at > since)
            && until.is_none_or(|until| at < until)
            && filters.labels("label", &labels(image))
            && (!filters.has("reference") || tags.iter().any(|tag| is_meant(filters, tag)))
    };
    Ok(images.into_iter().filter(own).collect())
}

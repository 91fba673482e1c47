//! Filters events.

use super::{DockerEvent, EventKind};
use docker_model::filters::Filters;

/// Returns whether an event matches the filters, as in dockerd: all names must match, and of each
/// name one value.
pub(super) fn wants(filters: &Filters, event: &DockerEvent) -> bool {
    let name = event.attributes.get("name").map_or("", String::as_str);
    let named = |kind: EventKind| {
        let word = kind.word();
        filters.prefix(word, &event.id) || filters.prefix(word, name)
    };
    filters.exact("type", event.kind.word())
        && filters.exact("scope", "local")
        && does(filters, &event.action)
        && named(EventKind::Container)
        && named(EventKind::Network)
        && is_of_image(filters, event, name)
        && filters.labels("label", &event.attributes)
        // A VCH has none of these objects, so a filter for one matches nothing.
        && ["config", "daemon", "node", "plugin", "secret", "service", "volume"]
            .iter()
            .all(|kind| !filters.has(kind))
}

/// Returns whether an action matches the filter. A value without a colon also matches actions with
/// one.
fn does(filters: &Filters, action: &str) -> bool {
    let open = ["health_status", "exec_create", "exec_start"];
    let mut values = filters.values("event");
    if values.any(|value| open.contains(&value)) {
        filters.prefix("event", action)
    } else {
        filters.exact("event", action)
    }
}

/// Returns whether an event is about an image with this name, with or without its tag.
fn is_of_image(filters: &Filters, event: &DockerEvent, name: &str) -> bool {
    let image = event.attributes.get("image").map_or("", String::as_str);
    let image = if event.kind == EventKind::Image {
        name
    } else {
        image
    };
    let bare = |text: &'_ str| match text.rsplit_once(':') {
        Some((bare, tag)) if !tag.contains('/') => bare.to_owned(),
        _ => text.to_owned(),
    };
    !filters.has("image")
        || [event.id.as_str(), image]
            .iter()
            .any(|text| filters.exact("image", text) || filters.exact("image", &bare(text)))
}

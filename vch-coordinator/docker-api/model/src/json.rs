//! JSON as dockerd reads and writes it: Go's error messages, Go's rules for fields, and Go's order
//! of keys.

mod ordered;
mod read;
mod syntax;

pub use ordered::Ordered;
pub use read::typed;
pub use syntax::check;

use serde::Serialize;

/// An object without keys, as Go serializes the members of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// The storage driver of an image or container, of which a VCH shows only the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    data: Option<Empty>,
    name: &'static str,
}

/// The storage driver of images and containers.
pub const GRAPH_DRIVER: GraphDriver = GraphDriver {
    data: None,
    name: "squashfs",
};

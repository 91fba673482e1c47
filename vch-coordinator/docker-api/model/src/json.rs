//! JSON as dockerd reads and writes it: with the error messages of Go, the language that dockerd is written in, and
//! with Go's rules for fields and order of keys.

mod ordered;
mod read;
mod syntax;

pub use ordered::Ordered;
pub use read::typed;
pub use syntax::check;

use serde::Serialize;

/// A JSON object without keys, `{}`. In an `Option` it stands for a value that a VCH never has and shows as null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// The storage driver of an image or container, with dockerd's keys `Name` and `Data`. A VCH shows only the name; the
/// data are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    data: Option<Empty>,
    name: &'static str,
}

/// The storage driver of all images and containers of a VCH: squashfs.
pub const GRAPH_DRIVER: GraphDriver = GraphDriver {
    data: None,
    name: "squashfs",
};

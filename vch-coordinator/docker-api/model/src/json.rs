//! JSON bodies as dockerd reads them: Go's words for what is no JSON, and Go's rules for what fits a field. And objects
//! as it writes them.

mod ordered;
mod read;
mod syntax;

pub use ordered::Ordered;
pub use read::typed;
pub use syntax::check;

use serde::Serialize;

/// An object without keys: what Go's sets of names have for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

/// Where something is kept on the host, of which a VCH shows the name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GraphDriver {
    data: Option<Empty>,
    name: &'static str,
}

/// Images, and containers' file systems.
pub const GRAPH_DRIVER: GraphDriver = GraphDriver {
    data: None,
    name: "squashfs",
};

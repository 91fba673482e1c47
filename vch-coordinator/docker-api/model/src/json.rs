//! JSON bodies as dockerd reads them: Go's words for what is no JSON, and Go's rules for what fits a field.

mod read;
mod syntax;

pub use read::typed;
pub use syntax::check;

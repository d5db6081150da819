//! What a GraphQL document says and means, by the specification, before it runs and after: read,
//! measured, validated, its variables coerced, its selections merged into what is to be run; and the
//! result brought into the shape that was asked for. Runs nothing, and knows the schema as text.
//!
//! A document is read once and remembered ([`Documents`]). What a request pays is the coercion of
//! its variables and a walk over its result. Why this stands before the library that runs
//! operations: docs/adr/0021-documents-by-the-specification.md.

pub mod errors;
pub mod limits;
mod api;
mod measure;
mod introspection;
mod rules;
mod values;
mod variables;
mod plan;
mod shape;
mod prepared;
mod remembered;
#[cfg(test)]
mod tests;

pub use api::{Api, ScalarRule};
pub use limits::DocumentLimits;
pub use plan::Plan;
pub use prepared::{Operation, Prepared};
pub use remembered::Documents;

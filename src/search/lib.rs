//! The search for products: an index on disk that is written by whoever follows the log, and what is
//! asked of it. Knows no actor, no journal and no transport: rows of products come in by
//! [`Index::apply`], [`Index::commit`] makes them findable together with the writer's place in the
//! logs, and a [`Catalogue`] answers as of one commit, for as long as somebody holds it.
//!
//! What is here is a shortcut through the logs like any other: an index that is missing, damaged, of
//! another form or of another installation is begun anew.

pub mod language;
mod words;
pub mod row;
mod schema;
pub mod stock;
pub mod index;
pub mod catalogue;
pub mod query;
mod plan;
mod typos;
pub mod highlight;
mod matching;
mod columns;
mod facets;
mod best;
pub mod metrics;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use best::Key;
pub use catalogue::{Catalogue, Found, Hit, Matched};
pub use facets::{Facet, FacetField, FacetValue};
pub use highlight::{Highlighter, Piece};
pub use index::{Home, Index};
pub use language::Language;
pub use query::{InvalidQuery, Order, Query, Wanted};
pub use row::Row;
pub use schema::FORM;
pub use stock::Stock;

/// Why the index could not be read or written: said to operators, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error("the search index failed")]
    Engine(#[from] tantivy::TantivyError),
    #[error("the files of the search index cannot be read")]
    Files(#[from] std::io::Error),
    #[error("the search index holds what it should not")]
    Row(#[from] serde_json::Error),
}

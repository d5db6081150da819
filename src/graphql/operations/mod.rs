//! What the API says of the server itself, and what operators do to actors.

mod mutation;
mod query;

pub use mutation::OperationsMutation;
pub use query::OperationsQuery;

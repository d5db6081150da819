//! The context access in the API: users, their e-mail addresses and roles.

mod mutation;
mod query;
mod refusals;
mod types;

pub use mutation::AccessMutation;
pub use query::AccessQuery;
pub use types::UserNode;

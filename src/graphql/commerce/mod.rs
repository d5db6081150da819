//! The context commerce in the API: orders, and the checkouts that carry them through.

mod mutation;
mod query;
mod refusals;
mod types;

pub use mutation::CommerceMutation;
pub use query::CommerceQuery;
pub use types::{CheckoutNode, OrderNode, OrderStatus};

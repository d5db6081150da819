//! The context products in the API: products with their variants and prices, and stock.

mod mutation;
mod query;
mod refusals;
mod stock_mutation;
mod types;

pub use mutation::ProductsMutation;
pub use query::ProductsQuery;
pub use stock_mutation::StockMutation;
pub use types::{ProductNode, StockItemNode};

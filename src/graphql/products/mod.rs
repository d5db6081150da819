//! The context products in the API: products with their variants and prices, and stock.

mod mutation;
mod query;
mod refusals;
mod stock_mutation;
mod types;

pub use query::ProductsQuery;
pub use types::{ProductNode, StockItemNode};

use async_graphql::MergedObject;

use crate::guard::Needs;
use auth::Permission::{Read, Write};
use mutation::{ProductCommands, ProductCreation};
use stock_mutation::{StockCommands, StockUseCases};

#[derive(MergedObject, Default)]
pub struct ProductsMutation(ProductCommands, ProductCreation, StockCommands, StockUseCases);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Read, &["product", "products", "stockItem", "stock"]),
    (Write, &["createProduct", "addVariant", "holdStock", "transferStock"]),
    (Write, ProductCommands::FIELDS),
    (Write, StockCommands::FIELDS),
];

//! The context products in the API: products with their variants, price lists and prices, locations, and
//! stock.

mod locations;
mod mutation;
mod price_mutation;
mod query;
mod refusals;
mod search;
mod stock_mutation;
mod tax;
mod transfers;
mod types;

pub use locations::{LocationKind, LocationNode, LocationStatus};
pub(crate) use tax::{PriceMode, TotalsNode};
pub use transfers::TransferNode;
pub use types::{HoldPhase, PriceListNode, ProductNode, ProductStatus, StockItemNode};

use async_graphql::MergedObject;

use crate::guard::Needs;
use auth::Permission::{Read, Write};
use locations::{LocationCommands, LocationQuery, LocationUseCases};
use mutation::{ProductCommands, ProductCreation};
pub(crate) use price_mutation::wanted_list;
use price_mutation::{PriceListCommands, PriceUseCases};
use stock_mutation::{StockCommands, StockUseCases};

#[derive(MergedObject, Default)]
pub struct ProductsQuery(
    query::ProductQueries,
    search::SearchQuery,
    LocationQuery,
    transfers::TransferQuery,
);

#[derive(MergedObject, Default)]
pub struct ProductsMutation(
    ProductCommands,
    ProductCreation,
    PriceListCommands,
    PriceUseCases,
    StockCommands,
    StockUseCases,
    LocationCommands,
    LocationUseCases,
);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Read, &["product", "products", "variants", "priceList", "defaultPriceList"]),
    (Read, &["stockItem", "stock", "holds", "location", "locations", "transfer"]),
    (Read, &["searchProducts"]),
    (Write, &["createProduct", "addVariant", "createLocation"]),
    (Write, &["openStock", "receiveStock", "holdStock", "sellStock", "shipHold", "transferStock"]),
    (Write, &["openPriceList", "setPrice", "removePrice"]),
    (Write, ProductCommands::FIELDS),
    (Write, PriceListCommands::FIELDS),
    (Write, StockCommands::FIELDS),
    (Write, LocationCommands::FIELDS),
    (Write, &["closeLocation", "reopenLocation"]),
];

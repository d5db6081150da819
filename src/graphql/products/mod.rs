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

pub use locations::{
    LocationConnection, LocationKind, LocationNode, LocationOrder, LocationStatus, LocationWhere,
};
pub use query::{
    HoldOrder, HoldWhere, ListedHoldConnection, ListedVariantConnection, ProductConnection,
    ProductOrder, ProductWhere, StockItemConnection, StockOrder, StockWhere, VariantOrder,
    VariantWhere,
};
pub(crate) use tax::{PriceMode, TotalsNode};
pub use transfers::TransferNode;
pub use types::{HoldPhase, PriceListNode, ProductNode, ProductStatus, StockItemNode};

use async_graphql::MergedObject;

use crate::guard::Need::{All, Some as Of};
use crate::guard::Needs;
use domain::access::permission::Permission::{
    CatalogueRead, CatalogueWrite, LocationsRead, LocationsWrite, PricesWrite, StockRead,
    StockWrite,
};
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
    (All(CatalogueRead), &["product", "products", "variants", "priceList", "defaultPriceList"]),
    (All(CatalogueRead), &["searchProducts"]),
    (All(LocationsRead), &["location", "locations"]),
    (Of(StockRead), &["stockItem", "stock", "holds", "transfer"]),
    (All(CatalogueWrite), &["createProduct", "addVariant"]),
    (All(CatalogueWrite), ProductCommands::FIELDS),
    (All(PricesWrite), &["openPriceList", "setPrice", "removePrice"]),
    (All(PricesWrite), PriceListCommands::FIELDS),
    (All(LocationsWrite), &["createLocation", "closeLocation", "reopenLocation"]),
    (All(LocationsWrite), LocationCommands::FIELDS),
    (All(StockWrite), &["openStock", "transferStock"]),
    (Of(StockWrite), &["receiveStock", "holdStock", "sellStock", "shipHold"]),
    (Of(StockWrite), StockCommands::FIELDS),
];

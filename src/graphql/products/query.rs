//! Questions about products and stock.

use async_graphql::{Context, Object, Result};

use super::{ProductNode, StockItemNode};
use crate::domain::products::product::Product;
use crate::domain::products::stock_item::{StockItem, stock_item_id};
use crate::graphql::context::{AsOf, load};
use crate::graphql::ids::{PublicLocationId, PublicProductId, PublicVariantId};

#[derive(Default)]
pub struct ProductsQuery;

#[Object]
impl ProductsQuery {
    /// A product, now or as it was.
    async fn product(
        &self,
        context: &Context<'_>,
        id: PublicProductId,
        as_of: Option<AsOf>,
    ) -> Result<Option<ProductNode>> {
        Ok(load::<Product>(context, id.into(), as_of).await?.map(ProductNode))
    }

    /// The stock of a variant at a location; null where none is kept.
    async fn stock_item(
        &self,
        context: &Context<'_>,
        variant_id: PublicVariantId,
        location_id: PublicLocationId,
        as_of: Option<AsOf>,
    ) -> Result<Option<StockItemNode>> {
        let id = stock_item_id(variant_id.into(), location_id.into());
        Ok(load::<StockItem>(context, id, as_of).await?.map(StockItemNode))
    }
}

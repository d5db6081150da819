//! Questions about products, price lists and stock.

use async_graphql::{Context, Object, Result};

use super::{PriceListNode, ProductNode, StockItemNode};
use crate::context::{AsOf, load, past};
use crate::errors::coded;
use crate::ids::{PublicLocationId, PublicPriceListId, PublicProductId, PublicVariantId};
use crate::lists::{Asked, connection, views};
use crate::scalars::GivenPosition;
use domain::id::{AggregateId, LocationId, VariantId};
use domain::money::Currency;
use domain::products::price_list::{PriceList, default_list};
use domain::products::product::Product;
use domain::products::stock_item::{StockItem, stock_item_id};
use projections::products::{Key, Row};

connection!(ProductConnection, ProductEdge, ProductNode = Product);
connection!(StockItemConnection, StockItemEdge, StockItemNode = StockItem);

#[derive(Default)]
pub struct ProductsQuery;

#[Object]
impl ProductsQuery {
    /// A product, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn product(
        &self,
        context: &Context<'_>,
        id: PublicProductId,
        as_of: Option<AsOf>,
    ) -> Result<Option<ProductNode>> {
        Ok(load::<Product>(context, id.into(), as_of).await?.map(ProductNode))
    }

    /// Products by name: of a family, or those whose name begins so, or all.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn products(
        &self,
        context: &Context<'_>,
        family: Option<String>,
        name_prefix: Option<String>,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<ProductConnection> {
        let asked = Asked::<Key>::new(context, first, after, at_least)?;
        let page = asked.page(&views(context).products, |products, after, list| {
            let prefix = name_prefix.unwrap_or_default();
            let rows: Box<dyn Iterator<Item = &Row>> = match &family {
                Some(family) => {
                    let prefix = prefix.to_lowercase();
                    let rows = products.of_family(family, after);
                    Box::new(rows.filter(move |row| row.key().0.starts_with(&prefix)))
                }
                None => Box::new(products.named(&prefix, after)),
            };
            list(&mut rows.map(|row| (row.key(), row.id)));
        });
        Ok(ProductConnection(page.await?))
    }

    /// A price list, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn price_list(
        &self,
        context: &Context<'_>,
        id: PublicPriceListId,
        as_of: Option<AsOf>,
    ) -> Result<Option<PriceListNode>> {
        Ok(load::<PriceList>(context, id.into(), as_of).await?.map(PriceListNode))
    }

    /// The price list of a currency (ISO 4217, upper case) that is meant where none is named; null
    /// while nobody opened it.
    async fn default_price_list(
        &self,
        context: &Context<'_>,
        currency: String,
    ) -> Result<Option<PriceListNode>> {
        let currency = Currency::from_code(&currency)
            .map_err(|error| coded(error.code(), error.to_string()))?;
        let id = AggregateId(default_list(currency).0);
        Ok(load::<PriceList>(context, id, None).await?.map(PriceListNode))
    }

    /// The stock of a variant at all locations that keep it.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn stock(
        &self,
        context: &Context<'_>,
        variant_id: PublicVariantId,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<StockItemConnection> {
        let asked = Asked::<LocationId>::new(context, first, after, at_least)?;
        let variant = VariantId::from(variant_id);
        let page = asked.page(&views(context).products, |products, after, list| {
            let locations = products.locations_of(variant, after);
            list(&mut locations.map(|location| (location, stock_item_id(variant, location))));
        });
        Ok(StockItemConnection(page.await?))
    }

    /// The stock of a variant at a location; null where none is kept.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
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

//! Questions about products, price lists and stock.

use async_graphql::{Context, Enum, InputObject, Object, Result};
use chrono::DateTime;

use super::{HoldPhase, PriceListNode, ProductNode, ProductStatus, StockItemNode};
use crate::commerce::OrderNode;
use crate::context::{AsOf, load, past};
use crate::errors::coded;
use crate::gathering::led_to;
use crate::ids::{
    PublicCustomerId, PublicHoldId, PublicLocationId, PublicOrderId, PublicPriceListId,
    PublicProductId, PublicVariantId,
};
use crate::lists::{Listed as _, Page, connection};
use crate::rows::{
    Compared, DateTimeFilter, Direction, Flag as _, LongFilter, OneOf, TextFilter, Window, filters,
    list, row_connection, rows,
};
use crate::scalars::{GivenPosition, Instant, Long};
use domain::aggregate::Aggregate as _;
use domain::commerce::order::Order;
use domain::id::{AggregateId, HoldId, VariantId};
use domain::money::Currency;
use domain::products::price_list::{PriceList, default_list};
use domain::products::product::Product;
use domain::products::stock_item::{Phase, StockItem, stock_item_id};
use projections::plan::{Filter, Ordering};
use projections::table::{Key, Stored, Value};
use projections::tables::holds::{self, Holds};
use projections::tables::products::{self, Products};
use projections::tables::stock::Stock;
use projections::tables::variants::{self, Variants};

connection!(ProductConnection, ProductEdge, ProductNode);
connection!(StockItemConnection, StockItemEdge, StockItemNode);

/// What columns are called here.
const WORDS: &[(&str, &str)] = &[
    ("added_us", "addedAt"),
    ("created_us", "createdAt"),
    ("expires_us", "expiresAt"),
    ("held_us", "heldAt"),
    ("is_low", "lowStock"),
    ("variant", "variantId"),
    ("location", "locationId"),
    ("customer", "customerId"),
];

impl Compared for ProductStatus {
    fn value(&self) -> Value {
        products::status_value((*self).into())
    }
}

impl Compared for HoldPhase {
    fn value(&self) -> Value {
        holds::phase_value((*self).into())
    }
}

/// A name, whatever its case.
#[derive(InputObject, Clone)]
pub struct NameFilter {
    pub eq: Option<String>,
    pub starts_with: Option<String>,
}

impl NameFilter {
    pub(super) fn on(&self, column: &'static str) -> Filter {
        let Self { eq, starts_with } = self.clone();
        TextFilter { eq, r#in: None, starts_with }.on_lower(column)
    }
}

filters! {
    /// Which products.
    ProductWhere {
        name: NameFilter = "name",
        family: TextFilter = "family",
        status: OneOf<ProductStatus> = "status",
        created_at: DateTimeFilter = "created_us",
    }
}

filters! {
    /// Which variants.
    VariantWhere {
        sku: TextFilter = "sku",
        /// Of their product.
        status: OneOf<ProductStatus> = "status",
    }
}

filters! {
    /// Which stock.
    StockWhere {
        variant_id: OneOf<PublicVariantId> = "variant",
        location_id: OneOf<PublicLocationId> = "location",
        /// What may be claimed, in units; below zero where more is promised than there is.
        available: LongFilter = "available",
        /// Whether no more than its `lowStockThreshold` may leave the shelf.
        low_stock: bool = "is_low",
    }
}

filters! {
    /// Which claims on stock.
    HoldWhere {
        phase: OneOf<HoldPhase> = "phase",
        expires_at: DateTimeFilter = "expires_us",
        customer_id: OneOf<PublicCustomerId> = "customer",
    }
}

/// What products are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductOrderField {
    Name,
    CreatedAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct ProductOrder {
    field: ProductOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl ProductOrder {
    const BY_NAME: Ordering = Ordering { column: "name", descending: false };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            ProductOrderField::Name => "name",
            ProductOrderField::CreatedAt => "created_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

/// What variants are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariantOrderField {
    Sku,
    AddedAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct VariantOrder {
    field: VariantOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl VariantOrder {
    const BY_SKU: Ordering = Ordering { column: "sku", descending: false };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            VariantOrderField::Sku => "sku",
            VariantOrderField::AddedAt => "added_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

/// What claims on stock are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldOrderField {
    /// Of those of a phase.
    ExpiresAt,
    /// Of those of a customer.
    HeldAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct HoldOrder {
    field: HoldOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl HoldOrder {
    const NEXT_FIRST: Ordering = Ordering { column: "expires_us", descending: false };
    const NEWEST: Ordering = Ordering { column: "held_us", descending: true };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            HoldOrderField::ExpiresAt => "expires_us",
            HoldOrderField::HeldAt => "held_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

/// What stock is ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StockOrderField {
    Available,
    LocationId,
}

#[derive(InputObject, Clone, Copy)]
pub struct StockOrder {
    field: StockOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl StockOrder {
    const LEAST_FIRST: Ordering = Ordering { column: "available", descending: false };
    const BY_LOCATION: Ordering = Ordering { column: "location", descending: false };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            StockOrderField::Available => "available",
            StockOrderField::LocationId => "location",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

/// A variant as a list has it; its product has the rest.
pub struct ListedVariant {
    key: Key,
    row: variants::Row,
}

impl ListedVariant {
    fn of(key: Key, row: variants::Row) -> Self {
        Self { key, row }
    }
}

#[Object]
impl ListedVariant {
    async fn id(&self) -> PublicVariantId {
        VariantId(self.key.part).into()
    }

    async fn sku(&self) -> &str {
        &self.row.sku
    }

    /// Of its product.
    async fn status(&self) -> ProductStatus {
        self.row.status.into()
    }

    async fn product_id(&self) -> PublicProductId {
        self.key.id.into()
    }

    async fn added_at(&self) -> Option<Instant> {
        DateTime::from_timestamp_micros(self.row.added_us).map(Instant)
    }

    /// The product as it is now; null, with an error, if it cannot be read.
    async fn product(&self, context: &Context<'_>) -> Result<Option<ProductNode>> {
        Ok(led_to::<Product>(context, self.key.id).await?.map(ProductNode::whole))
    }
}

row_connection!(ListedVariantConnection, ListedVariantEdge, ListedVariant);

/// A claim on stock as a list has it.
pub struct ListedHold {
    key: Key,
    row: holds::Row,
}

impl ListedHold {
    fn of(key: Key, row: holds::Row) -> Self {
        Self { key, row }
    }
}

#[Object]
impl ListedHold {
    async fn id(&self) -> PublicHoldId {
        HoldId(self.key.part).into()
    }

    async fn customer_id(&self) -> PublicCustomerId {
        self.row.customer.into()
    }

    async fn quantity(&self) -> Long {
        Long(self.row.quantity)
    }

    async fn phase(&self) -> HoldPhase {
        self.row.phase.into()
    }

    /// When it ends by itself; null where it is promised and does not.
    async fn expires_at(&self) -> Option<Instant> {
        let held = self.row.phase == Phase::Held;
        held.then(|| DateTime::from_timestamp_micros(self.row.expires_us).map(Instant)).flatten()
    }

    async fn held_at(&self) -> Option<Instant> {
        DateTime::from_timestamp_micros(self.row.held_us).map(Instant)
    }

    /// The stock item as it is now; null, with an error, if it cannot be read.
    async fn stock_item(&self, context: &Context<'_>) -> Result<Option<StockItemNode>> {
        Ok(led_to::<StockItem>(context, self.key.id).await?.map(StockItemNode::whole))
    }

    /// The order that it is for, if it is of one.
    async fn order_id(&self) -> Option<PublicOrderId> {
        self.row.order.map(PublicOrderId::from)
    }

    /// That order as it is now; null, with an error, if it cannot be read.
    async fn order(&self, context: &Context<'_>) -> Result<Option<OrderNode>> {
        let Some(order) = self.row.order else { return Ok(None) };
        Ok(led_to::<Order>(context, order).await?.map(OrderNode::whole))
    }
}

row_connection!(ListedHoldConnection, ListedHoldEdge, ListedHold);

list! {
    ProductConnection of products: Products, where ProductWhere, by ProductOrder;
    KINDS = [Product::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(ProductOrder::BY_NAME, ProductOrder::ordering))
    };
    shown = ProductConnection;
}

list! {
    StockItemConnection of stock: Stock, where StockWhere, by StockOrder;
    KINDS = [StockItem::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let of_variant = filter.as_ref().is_some_and(|filter| filter.variant_id.is_some());
        let usual = if of_variant { StockOrder::BY_LOCATION } else { StockOrder::LEAST_FIRST };
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(usual, StockOrder::ordering))
    };
    shown = StockItemConnection;
}

list! {
    ListedVariantConnection of variants: Variants, where VariantWhere, by VariantOrder;
    KINDS = [Product::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(VariantOrder::BY_SKU, VariantOrder::ordering))
    };
    shown = |page: Page<Stored>| {
        ListedVariantConnection(page.nodes::<Variants, _>(ListedVariant::of))
    };
}

list! {
    ListedHoldConnection of holds: Holds, where HoldWhere, by HoldOrder;
    KINDS = [StockItem::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let of_customer = filter.as_ref().is_some_and(|filter| filter.customer_id.is_some());
        let usual = if of_customer { HoldOrder::NEWEST } else { HoldOrder::NEXT_FIRST };
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(usual, HoldOrder::ordering))
    };
    shown = |page: Page<Stored>| ListedHoldConnection(page.nodes::<Holds, _>(ListedHold::of));
}

#[derive(Default)]
pub struct ProductQueries;

#[Object]
impl ProductQueries {
    /// A product, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn product(
        &self,
        context: &Context<'_>,
        id: PublicProductId,
        as_of: Option<AsOf>,
    ) -> Result<Option<ProductNode>> {
        Ok(load::<Product>(context, id.into(), as_of).await?.map(ProductNode::whole))
    }

    /// Products, by name where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn products(
        &self,
        context: &Context<'_>,
        r#where: Option<ProductWhere>,
        order_by: Option<ProductOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<ProductConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
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

    /// The variants of all products, by stock keeping unit where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn variants(
        &self,
        context: &Context<'_>,
        r#where: Option<VariantWhere>,
        order_by: Option<VariantOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<ListedVariantConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }

    /// Stock of variants at locations: the least available first, unless it is of one variant; then by
    /// location.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn stock(
        &self,
        context: &Context<'_>,
        r#where: Option<StockWhere>,
        order_by: Option<StockOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<StockItemConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }

    /// Claims on stock that have not ended: of a phase by when they expire, the next first, or of a
    /// customer, the newest first, where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn holds(
        &self,
        context: &Context<'_>,
        r#where: HoldWhere,
        order_by: Option<HoldOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<ListedHoldConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, Some(r#where), order_by).await
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
        Ok(load::<StockItem>(context, id, as_of).await?.map(StockItemNode::whole))
    }
}

//! Products, price lists and stock items as clients see them.

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use chrono::DateTime;

use super::LocationNode;
use super::{PriceMode, TotalsNode};
use crate::context::{Arguments, Loaded, Viewed, arguments_of, take_values, wanted};
use crate::cursors::Cursors;
use crate::gathering::led_to;
use crate::ids::{
    PublicCustomerId, PublicHoldId, PublicLocationId, PublicOrderId, PublicPriceListId,
    PublicProductId, PublicTransferId, PublicVariantId,
};
use crate::lists::{Asked, Known, Listed, UP_TO_DATE};
use crate::scalars::{Instant, Long, MoneyOutput};
use crate::texts::Text;
use domain::id::{AggregateId, HoldId, LocationId, PriceListId, VariantId};
use domain::money::Rate;
use domain::products::location::Location;
use domain::products::price_list::{PriceList, default_list};
use domain::products::product::{self, Product};
use domain::products::stock_item::{self, Short, ShortagePage, Shortages, StockItem};
use domain::tax::UnitPrice;
use projections::table::{Key, Stored, Value};
use projections::tables::products::Row;
use projections::tables::stock;

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "product::Status")]
pub enum ProductStatus {
    Draft,
    Published,
    /// For ever.
    Archived,
}

pub struct ProductNode(pub Known<Product, Row>);

/// What a row says of a product beside what it says of every aggregate.
const HELD: &[&str] = &["status", "name", "family"];

impl Listed for ProductNode {
    type Of = Product;

    fn whole(loaded: Loaded<Product>) -> Self {
        Self(loaded.into())
    }

    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        Known::of_row(row, asked, &[UP_TO_DATE, HELD]).map(|(known, _)| Self(known))
    }
}

/// What is sold, in which variants, at which list prices and tax rate.
#[Object(name = "Product")]
impl ProductNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<Product, Row> {
        &self.0
    }

    async fn status(&self) -> ProductStatus {
        match &self.0 {
            Known::Whole(product) => product.state().status.into(),
            Known::Row(_, _, row) => row.status.into(),
        }
    }

    async fn name(&self) -> &str {
        match &self.0 {
            Known::Whole(product) => &product.state().name,
            Known::Row(_, _, row) => &row.name,
        }
    }

    async fn family(&self) -> &str {
        match &self.0 {
            Known::Whole(product) => &product.state().family,
            Known::Row(_, _, row) => &row.family,
        }
    }

    async fn description(&self) -> Text<'_> {
        self.0.loaded().state().description.as_str().into()
    }

    /// How it is described in other languages, by their tags; at most 20.
    #[graphql(complexity = "5 * child_complexity + 1")]
    async fn translations(&self, context: &Context<'_>) -> Result<Vec<TranslationNode<'_>>> {
        let all = &self.0.loaded().state().translations;
        take_values(context, all.len())?;
        Ok(all.iter().map(|(language, text)| TranslationNode { language, text }).collect())
    }

    /// The share of a net price that is tax, in millionths: 190000 is 19 %.
    async fn tax_rate_millionths(&self) -> u32 {
        self.0.loaded().state().tax_rate.millionths()
    }

    /// By SKU; at most 250.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn variants(&self, context: &Context<'_>) -> Result<Vec<VariantNode<'_>>> {
        let product = self.0.id();
        take_values(context, self.0.loaded().state().variants.len())?;
        let tax_rate = self.0.loaded().state().tax_rate;
        let variants = self.0.loaded().state().variants.iter();
        let mut variants: Vec<_> = variants
            .map(|(id, variant)| VariantNode { id: *id, product, tax_rate, variant })
            .collect();
        variants.sort_by(|one, other| one.variant.sku.cmp(&other.variant.sku));
        Ok(variants)
    }

    async fn variant(&self, id: PublicVariantId) -> Option<VariantNode<'_>> {
        let id = VariantId::from(id);
        let variant = self.0.loaded().state().variants.get(&id)?;
        let (product, tax_rate) = (self.0.id(), self.0.loaded().state().tax_rate);
        Some(VariantNode { id, product, tax_rate, variant })
    }
}

pub struct TranslationNode<'a> {
    language: &'a str,
    text: &'a product::Translation,
}

/// How a product is described in one language.
#[Object(name = "ProductTranslation")]
impl TranslationNode<'_> {
    /// A language tag (`de-AT`).
    async fn language(&self) -> &str {
        self.language
    }

    async fn name(&self) -> &str {
        &self.text.name
    }

    async fn description(&self) -> Text<'_> {
        self.text.description.as_str().into()
    }
}

pub struct VariantNode<'a> {
    id: VariantId,
    product: AggregateId,
    tax_rate: Rate,
    variant: &'a product::Variant,
}

/// Something of a product that can be had: a size, a colour.
#[Object(name = "Variant")]
impl VariantNode<'_> {
    async fn id(&self) -> PublicVariantId {
        self.id.into()
    }

    async fn product_id(&self) -> PublicProductId {
        self.product.into()
    }

    /// The stock keeping unit's name, unique within the product.
    async fn sku(&self) -> &str {
        &self.variant.sku
    }

    async fn name(&self) -> &str {
        &self.variant.name
    }

    /// The price of one unit in each price list, by currency; at most 50.
    #[graphql(complexity = "2 * child_complexity + 1")]
    async fn prices(&self, context: &Context<'_>) -> Result<Vec<PriceNode>> {
        take_values(context, self.variant.prices.len())?;
        let prices = self.variant.prices.iter();
        let mut prices: Vec<_> = prices
            .map(|(list, price)| PriceNode { list: *list, price: price.taxed(self.tax_rate) })
            .collect();
        prices.sort_by_key(|node| (node.price.amount.currency, node.list));
        Ok(prices)
    }

    /// The price of one unit in a price list, if it has one there.
    async fn price(&self, price_list_id: PublicPriceListId) -> Option<PriceNode> {
        let list = PriceListId::from(price_list_id);
        let price = self.variant.prices.get(&list)?.taxed(self.tax_rate);
        Some(PriceNode { list, price })
    }
}

pub struct PriceNode {
    list: PriceListId,
    price: UnitPrice,
}

/// What one unit costs in a price list.
#[Object(name = "Price")]
impl PriceNode {
    #[graphql(flatten)]
    async fn amount(&self) -> MoneyOutput {
        MoneyOutput(self.price.amount)
    }

    async fn price_list_id(&self) -> PublicPriceListId {
        self.list.into()
    }

    /// Whether tax is inside.
    async fn price_mode(&self) -> PriceMode {
        self.price.mode.into()
    }

    /// What one unit comes to at the present tax rate. An order rounds by line.
    async fn totals(&self) -> Option<TotalsNode> {
        self.price.times(1).ok().map(TotalsNode::from)
    }
}

pub struct PriceListNode(pub Loaded<PriceList>);

/// What prices stand in: all of one currency, and all net or all gross.
#[Object(name = "PriceList")]
impl PriceListNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<PriceList> {
        &self.0
    }

    async fn name(&self) -> &str {
        &self.0.state().name
    }

    /// ISO 4217.
    async fn currency(&self) -> Option<&str> {
        self.0.state().terms.as_ref().map(|terms| terms.currency.code())
    }

    /// Whether tax is inside its prices.
    async fn price_mode(&self) -> Option<PriceMode> {
        self.0.state().terms.map(|terms| terms.mode.into())
    }

    /// Whether it is the one that is meant where none is named.
    async fn is_default(&self) -> bool {
        let terms = self.0.state().terms;
        terms.is_some_and(|terms| default_list(terms.currency).0 == self.0.id.0)
    }
}

/// How many transfers are listed unless it is said; the default of `first` below.
const OUTGOING_LISTED: i32 = 20;
/// The same for what is short.
const SHORTAGES_LISTED: i32 = 20;
/// The list that its cursors are bound to, which name the stock item themselves.
const SHORTAGES: &str = "shortages";

pub struct StockItemNode(pub Known<StockItem, stock::Row>);

/// What a row says of stock beside what it says of every aggregate: until the next hold expires.
const HELD_OF_STOCK: &[&str] = &[
    "variantId",
    "locationId",
    "location",
    "onHand",
    "held",
    "committed",
    "backordered",
    "backorderLimit",
    "customerLimit",
    "lowStockThreshold",
    "isLow",
    "available",
    "availableNow",
    "shortage",
    "holdCount",
];

impl Listed for StockItemNode {
    type Of = StockItem;

    fn whole(loaded: Loaded<StockItem>) -> Self {
        Self(loaded.into())
    }

    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        let held = [UP_TO_DATE, HELD_OF_STOCK];
        let (known, row) = Known::<StockItem, stock::Row>::of_row(row, asked, &held)?;
        row.holds_at(asked.now.timestamp()).then_some(Self(known))
    }
}

impl StockItemNode {
    /// A number, from whichever there is.
    fn number(
        &self,
        whole: impl Fn(&stock_item::Summary) -> i64,
        row: impl Fn(&stock::Row) -> i64,
    ) -> Long {
        Long(match &self.0 {
            Known::Whole(stock) => whole(stock.state()),
            Known::Row(_, _, of) => row(of),
        })
    }

    fn identity(&self) -> Option<(VariantId, LocationId)> {
        match &self.0 {
            Known::Whole(stock) => stock.state().identity,
            Known::Row(_, _, row) => Some((row.variant, row.location)),
        }
    }
}

/// The stock of one variant at one location. Held + committed + backordered ≤ on hand + backorder
/// limit, unless less was counted than was promised: see `shortage`.
#[Object(name = "StockItem")]
impl StockItemNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<StockItem, stock::Row> {
        &self.0
    }

    async fn variant_id(&self) -> Option<PublicVariantId> {
        self.identity().map(|(variant, _)| variant.into())
    }

    async fn location_id(&self) -> Option<PublicLocationId> {
        self.identity().map(|(_, location)| location.into())
    }

    /// Where it is kept; null where nobody gave that place a name.
    async fn location(&self, context: &Context<'_>) -> Result<Option<LocationNode>> {
        let Some((_, location)) = self.identity() else { return Ok(None) };
        let location = led_to::<Location>(context, AggregateId(location.0)).await?;
        Ok(location.map(LocationNode::whole))
    }

    /// The units on the shelf.
    async fn on_hand(&self) -> Long {
        self.number(|stock| stock.on_hand, |row| row.on_hand)
    }

    /// The units in holds that have not expired.
    async fn held(&self) -> Long {
        self.number(|stock| stock.held, |row| row.held)
    }

    async fn committed(&self) -> Long {
        self.number(|stock| stock.committed, |row| row.committed)
    }

    async fn backordered(&self) -> Long {
        self.number(|stock| stock.backordered, |row| row.backordered)
    }

    /// How many more units may be claimed than are on hand.
    async fn backorder_limit(&self) -> Long {
        self.number(|stock| stock.backorder_limit, |row| row.backorder_limit)
    }

    /// How many units one customer may hold, not counting what is committed: 100 unless it was set. An
    /// order takes no more of it.
    async fn customer_limit(&self) -> Long {
        self.number(|stock| stock.customer_limit, |row| row.customer_limit)
    }

    /// At how many units that may leave the shelf it is low; null: it never is.
    async fn low_stock_threshold(&self) -> Option<Long> {
        let threshold = match &self.0 {
            Known::Whole(stock) => stock.state().low_stock_threshold,
            Known::Row(_, _, row) => row.low_stock_threshold,
        };
        threshold.map(Long)
    }

    /// Whether `availableNow` is `lowStockThreshold` or less.
    async fn is_low(&self) -> bool {
        match &self.0 {
            Known::Whole(stock) => stock.state().is_low,
            Known::Row(_, _, row) => row.is_low,
        }
    }

    /// The units that may be claimed now, the backorder limit included.
    async fn available(&self) -> Long {
        self.number(|stock| stock.available, |row| row.available().max(0))
    }

    /// The units that may leave the shelf now.
    async fn available_now(&self) -> Long {
        self.number(|stock| stock.available_now, |row| row.available_now().max(0))
    }

    /// The units that were committed and are not there any more; 0 but where less was counted than was
    /// promised. A receipt cures it.
    async fn shortage(&self) -> Long {
        self.number(|stock| stock.shortage, |row| row.shortage)
    }

    /// What was committed and cannot be served, at most `first` of it: the shelf serves the oldest
    /// promise first, so these are the newest, the newest last.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn shortages(
        &self,
        context: &Context<'_>,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
    ) -> Result<ShortageConnection<'_>> {
        let (item, cursors) = (self.0.id(), Cursors::of(context, SHORTAGES));
        let after = after.map(|after| cursors.read_number(&after)).transpose()?;
        if after.is_some_and(|(_, key)| key.id != item) {
            return Err(Cursors::refused());
        }
        let asked = Shortages { first: count(first), after: after.map(|(place, _)| place) };
        let mut pages = self.0.loaded().state().shortages.iter();
        let page = pages.find(|page| page.asked == asked).ok_or_else(Cursors::refused)?;
        Ok(ShortageConnection { page, item, cursors })
    }

    async fn hold_count(&self) -> Long {
        self.number(|stock| stock.hold_count as i64, |row| row.holds)
    }

    /// A hold that has not ended.
    async fn hold(&self, id: PublicHoldId) -> Option<HoldNode> {
        let hold = self.0.loaded().state().holds.get(&HoldId::from(id))?;
        Some(HoldNode::new(id, hold))
    }

    /// The transfers that left and are not known to have arrived, at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn outgoing_transfers(
        &self,
        #[graphql(default = 20)] first: i32,
    ) -> Vec<OutgoingTransferNode> {
        let outgoing = self.0.loaded().state().outgoing.iter().take(count(first));
        let node = |(id, transfer): &(domain::id::TransferId, stock_item::OutgoingTransfer)| {
            OutgoingTransferNode {
                id: (*id).into(),
                to: transfer.to.into(),
                quantity: Long(transfer.quantity),
            }
        };
        outgoing.map(node).collect()
    }
}

impl Viewed for StockItem {
    type View = stock_item::Overview;

    fn view(context: &Context<'_>) -> stock_item::Overview {
        let holds = wanted::<PublicHoldId>(context, "hold", "id");
        let outgoing = wanted::<Option<i32>>(context, "outgoingTransfers", "first");
        stock_item::Overview {
            holds: holds.into_iter().map(HoldId::from).collect(),
            shortages: shortages(context),
            outgoing: outgoing
                .into_iter()
                .map(|first| count(first.unwrap_or(OUTGOING_LISTED)))
                .max()
                .unwrap_or(0),
        }
    }
}

/// The pages of shortages that the selection asks for; what cannot be read is left to the field.
fn shortages(context: &Context<'_>) -> Vec<Shortages> {
    let cursors = Cursors::of(context, SHORTAGES);
    let read = |asked: &Arguments| {
        let first = asked.read::<Option<i32>>("first")?.unwrap_or(SHORTAGES_LISTED);
        let after = asked.read::<Option<String>>("after")?;
        let after = after.map(|after| cursors.read_number(&after)).transpose().ok()?;
        Some(Shortages { first: count(first), after: after.map(|(place, _)| place) })
    };
    arguments_of(context, "shortages").iter().filter_map(read).collect()
}

fn count(first: i32) -> usize {
    usize::try_from(first).unwrap_or(0)
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "stock_item::Phase")]
pub enum HoldPhase {
    Held,
    Committed,
    Backordered,
}

/// A claim on so many units.
#[derive(SimpleObject)]
#[graphql(name = "Hold")]
pub struct HoldNode {
    pub id: PublicHoldId,
    pub customer_id: PublicCustomerId,
    pub quantity: Long,
    pub phase: HoldPhase,
    /// When a hold that is not committed ends.
    pub expires_at: Option<Instant>,
    pub extensions: u32,
    /// The order that it is for: nobody else moves it.
    pub order_id: Option<PublicOrderId>,
}

impl HoldNode {
    fn new(id: PublicHoldId, hold: &stock_item::Hold) -> Self {
        let expires = (hold.phase == stock_item::Phase::Held).then_some(hold.expires_second);
        Self {
            id,
            customer_id: hold.customer.into(),
            quantity: Long(hold.quantity),
            phase: hold.phase.into(),
            expires_at: expires.and_then(|second| DateTime::from_timestamp(second, 0)).map(Instant),
            extensions: hold.extensions,
            order_id: hold.order.map(PublicOrderId::from),
        }
    }
}

pub struct ShortageConnection<'a> {
    page: &'a ShortagePage,
    item: AggregateId,
    cursors: Cursors,
}

impl ShortageConnection<'_> {
    fn cursor(&self, short: &Short) -> String {
        let place = Value::Int(short.hold.queued.cast_signed());
        self.cursors.write(vec![place], Key::of(self.item))
    }
}

/// One page of what cannot be served.
#[Object]
impl ShortageConnection<'_> {
    async fn edges(&self) -> Vec<ShortageEdge> {
        let edge = |short: &Short| {
            let hold = HoldNode::new(short.id.into(), &short.hold);
            let node = ShortageNode { hold, missing: Long(short.missing) };
            ShortageEdge { cursor: self.cursor(short), node }
        };
        self.page.holds.iter().map(edge).collect()
    }

    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.page.asked.after.is_some(),
            has_next_page: self.page.has_more,
            start_cursor: self.page.holds.first().map(|short| self.cursor(short)),
            end_cursor: self.page.holds.last().map(|short| self.cursor(short)),
        }
    }
}

/// One row of what cannot be served.
#[derive(SimpleObject)]
pub struct ShortageEdge {
    cursor: String,
    node: ShortageNode,
}

/// A committed hold that the shelf cannot serve.
#[derive(SimpleObject)]
#[graphql(name = "Shortage")]
pub struct ShortageNode {
    hold: HoldNode,
    /// So many of its units are not there.
    missing: Long,
}

/// Goods on their way to another location.
#[derive(SimpleObject)]
#[graphql(name = "OutgoingTransfer")]
pub struct OutgoingTransferNode {
    pub id: PublicTransferId,
    pub to: PublicLocationId,
    pub quantity: Long,
}

//! The products: by name, by family, by stock keeping unit; which product a variant belongs to,
//! and which locations stock it. How much is in stock, the stock items know.
//!
//! Bounded by [`PRODUCTS_MAX`], [`VARIANTS_MAX`] and [`STOCKED_MAX`]; what comes when one of them
//! is reached is left out and counted. Descriptions are not kept: the product has its own.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{HashMap, OrdSet};
use serde::{Deserialize, Serialize};

use super::{Fact, Place, Projection};
use domain::aggregate::Aggregate;
use domain::id::{AggregateId, LocationId, VariantId};
use domain::products::product::{Event, Product, State, Status};
use domain::products::stock_item::{self, StockItem};

/// Products that are kept.
pub const PRODUCTS_MAX: usize = 20_000;
/// Variants of all products that are found by id or stock keeping unit.
pub const VARIANTS_MAX: usize = 100_000;
/// Pairs of a variant and a location that stocks it.
pub const STOCKED_MAX: usize = 200_000;

/// What a list shows of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: AggregateId,
    /// As the product itself has it, but for the description, which is empty here.
    pub product: State,
    /// Microseconds since 1970 UTC, like the other time.
    pub created_us: i64,
    pub changed_us: i64,
    pub version: u64,
}

/// The place of a row in a list: the name in lower case, then the id.
pub type Key = (String, AggregateId);

impl Row {
    pub fn key(&self) -> Key {
        (self.product.name.to_lowercase(), self.id)
    }

    pub fn is_published(&self) -> bool {
        self.product.status == Status::Published
    }
}

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Products {
    rows: HashMap<AggregateId, Arc<Row>>,
    by_name: OrdSet<Key>,
    /// The family as it is written, then the key.
    by_family: OrdSet<(String, Key)>,
    by_sku: OrdSet<(String, VariantId)>,
    product_of: HashMap<VariantId, AggregateId>,
    stocked: OrdSet<(VariantId, LocationId)>,
    left_out: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    rows: Vec<Arc<Row>>,
    stocked: Vec<(VariantId, LocationId)>,
    left_out: u64,
}

impl Products {
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Products, variants and stocked pairs for which there was no room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub fn get(&self, id: AggregateId) -> Option<&Row> {
        self.rows.get(&id).map(Arc::as_ref)
    }

    /// All, by name, behind `after`.
    pub fn by_name(&self, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = self.by_name.range((from, Bound::Unbounded));
        keys.filter_map(|(_, id)| self.get(*id))
    }

    /// Those whose name begins so, whatever its case, by name, behind `after`.
    pub fn named(&self, prefix: &str, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let prefix = prefix.to_lowercase();
        let first = (prefix.clone(), AggregateId(uuid::Uuid::nil()));
        let from = match after {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let keys = self.by_name.range((from, Bound::Unbounded));
        keys.take_while(move |(name, _)| name.starts_with(&prefix))
            .filter_map(|(_, id)| self.get(*id))
    }

    /// Those of a family, by name, behind `after`.
    pub fn of_family(&self, family: &str, after: Option<Key>) -> impl Iterator<Item = &Row> {
        let family = family.to_owned();
        let first = (String::new(), AggregateId(uuid::Uuid::nil()));
        let from = (family.clone(), after.unwrap_or(first));
        let keys = self.by_family.range((Bound::Excluded(from), Bound::Unbounded));
        keys.take_while(move |(of, _)| *of == family).filter_map(|(_, key)| self.get(key.1))
    }

    /// The families that have a product, in order, behind `after`.
    pub fn families<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = &'a str> {
        let next = move |from: Bound<(String, Key)>| {
            let mut keys = self.by_family.range((from, Bound::Unbounded));
            keys.next().map(|(family, _)| family.as_str())
        };
        let first = next(after.map_or(Bound::Unbounded, |family| Bound::Excluded(last_of(family))));
        std::iter::successors(first, move |family| next(Bound::Excluded(last_of(family))))
    }

    /// The variants whose stock keeping unit begins so (its case matters), in order, behind
    /// `after`, each with its product.
    pub fn with_sku(
        &self,
        prefix: &str,
        after: Option<(String, VariantId)>,
    ) -> impl Iterator<Item = (VariantId, &Row)> {
        let prefix = prefix.to_owned();
        let first = (prefix.clone(), VariantId(uuid::Uuid::nil()));
        let from = match after {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let keys = self.by_sku.range((from, Bound::Unbounded));
        keys.take_while(move |(sku, _)| sku.starts_with(&prefix))
            .filter_map(|(_, variant)| Some((*variant, self.product_of(*variant)?)))
    }

    pub fn product_of(&self, variant: VariantId) -> Option<&Row> {
        self.get(*self.product_of.get(&variant)?)
    }

    /// The locations that keep stock of a variant, or kept it once, behind `after`.
    pub fn locations_of(
        &self,
        variant: VariantId,
        after: Option<LocationId>,
    ) -> impl Iterator<Item = LocationId> {
        let from = match after {
            Some(after) => Bound::Excluded((variant, after)),
            None => Bound::Included((variant, LocationId(uuid::Uuid::nil()))),
        };
        let pairs = self.stocked.range((from, Bound::Unbounded));
        pairs.take_while(move |(of, _)| *of == variant).map(|(_, location)| *location)
    }

    fn insert(&mut self, row: Arc<Row>) {
        if self.rows.len() >= PRODUCTS_MAX {
            self.left_out += 1;
            return;
        }
        self.by_name.insert(row.key());
        self.by_family.insert((row.product.family.clone(), row.key()));
        for (variant, details) in &row.product.variants {
            self.index_variant(*variant, details.sku.clone(), row.id, VARIANTS_MAX);
        }
        self.rows.insert(row.id, row);
    }

    fn index_variant(&mut self, id: VariantId, sku: String, of: AggregateId, variants_max: usize) {
        if self.product_of.len() >= variants_max {
            self.left_out += 1;
            return;
        }
        self.by_sku.insert((sku, id));
        self.product_of.insert(id, of);
    }

    fn change(&mut self, place: Place, event: &Event) {
        // For a product that was left out there is no row.
        let Some(row) = self.rows.get_mut(&place.aggregate_id) else { return };
        let row = Arc::make_mut(row);
        let revised = matches!(event, Event::ProductRevised { .. });
        if revised {
            self.by_name.remove(&row.key());
            self.by_family.remove(&(row.product.family.clone(), row.key()));
        }
        Product::apply(&mut row.product, event);
        row.product.description = String::new();
        row.changed_us = place.recorded_us;
        row.version = place.version;
        if revised {
            self.by_name.insert(row.key());
            self.by_family.insert((row.product.family.clone(), row.key()));
        }
        if let Event::VariantAdded { variant, sku, .. } = event {
            self.index_variant(*variant, sku.clone(), place.aggregate_id, VARIANTS_MAX);
        }
    }

    fn stock(&mut self, variant: VariantId, location: LocationId) {
        if self.stocked.len() >= STOCKED_MAX {
            self.left_out += 1;
            return;
        }
        self.stocked.insert((variant, location));
    }
}

/// Stands behind every product of a family, and before every other family: no name in lower case
/// begins with the last character that there is.
fn last_of(family: &str) -> (String, Key) {
    (family.to_owned(), (char::MAX.to_string(), AggregateId(uuid::Uuid::max())))
}

impl From<Stored> for Products {
    fn from(stored: Stored) -> Self {
        let mut products = Self::default();
        stored.rows.into_iter().for_each(|row| products.insert(row));
        products.stocked = stored.stocked.into_iter().collect();
        products.left_out = stored.left_out;
        products
    }
}

impl From<Products> for Stored {
    fn from(products: Products) -> Self {
        Self {
            rows: products.rows.values().cloned().collect(),
            stocked: products.stocked.iter().copied().collect(),
            left_out: products.left_out,
        }
    }
}

impl Projection for Products {
    const NAME: &'static str = "products";
    const SCHEMA: u32 = 2;

    /// Of a stock item only the first event: the others, of which a hot item has hundreds of
    /// thousands a second, are never decoded.
    fn wants(aggregate_type: &str, version: u64) -> bool {
        aggregate_type == Product::TYPE || (aggregate_type == StockItem::TYPE && version == 1)
    }

    fn rows(&self) -> usize {
        self.len()
    }

    fn left_out(&self) -> u64 {
        self.left_out
    }

    fn apply(&mut self, place: Place, fact: &Fact) {
        match fact {
            Fact::Product(event @ Event::ProductCreated { .. }) => {
                let mut product = State::default();
                Product::apply(&mut product, event);
                product.description = String::new();
                self.insert(Arc::new(Row {
                    id: place.aggregate_id,
                    product,
                    created_us: place.recorded_us,
                    changed_us: place.recorded_us,
                    version: place.version,
                }));
            }
            Fact::Product(event) => self.change(place, event),
            Fact::StockItem(stock_item::Event::StockItemOpened { variant, location }) => {
                self.stock(*variant, *location);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{History, euro, id, round_trip};
    use domain::id::PriceListId;
    use domain::money::Rate;
    use domain::products::product::ListPrice;
    use domain::tax::PriceMode;

    fn variant(number: u128) -> VariantId {
        VariantId(uuid::Uuid::from_u128(number))
    }

    fn location(number: u128) -> LocationId {
        LocationId(uuid::Uuid::from_u128(number))
    }

    fn created(name: &str, family: &str) -> Fact {
        let (name, family, description) = (name.to_owned(), family.to_owned(), "Long".to_owned());
        Fact::Product(Event::ProductCreated { name, family, description })
    }

    fn revised(name: &str, family: &str) -> Fact {
        let (name, family, description) = (name.to_owned(), family.to_owned(), "Long".to_owned());
        Fact::Product(Event::ProductRevised { name, family, description })
    }

    fn with_variant(number: u128, sku: &str) -> Fact {
        let (variant, sku, name) = (variant(number), sku.to_owned(), "blue".to_owned());
        Fact::Product(Event::VariantAdded { variant, sku, name })
    }

    fn opened(number: u128, at: u128) -> Fact {
        let (variant, location) = (variant(number), location(at));
        Fact::StockItem(stock_item::Event::StockItemOpened { variant, location })
    }

    fn names<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<&'a str> {
        rows.map(|row| row.product.name.as_str()).collect()
    }

    fn shop() -> History<Products> {
        let mut history = History::default();
        history
            .happens(id(1), created("Teapot", "Tea"))
            .happens(id(2), created("teacup", "Tea"))
            .happens(id(3), created("Grinder", "Coffee"))
            .happens(id(1), with_variant(11, "TEA-POT-1"))
            .happens(id(1), with_variant(12, "TEA-POT-2"))
            .happens(id(3), with_variant(31, "GRIND-1"))
            .happens(id(100), opened(11, 2))
            .happens(id(101), opened(11, 1))
            .happens(id(102), opened(12, 1));
        history
    }

    #[test]
    fn products_are_found_by_name_family_and_sku_from_a_key_on() {
        let history = shop();
        for products in [&history.view, &round_trip(&history.view)] {
            assert_eq!(names(products.by_name(None)), ["Grinder", "teacup", "Teapot"]);
            let teacup = products.get(id(2)).expect("it is listed").key();
            assert_eq!(names(products.by_name(Some(teacup.clone()))), ["Teapot"]);
            assert_eq!(names(products.named("TEA", None)), ["teacup", "Teapot"]);
            assert_eq!(names(products.named("tea", Some(teacup.clone()))), ["Teapot"]);
            assert_eq!(names(products.of_family("Tea", None)), ["teacup", "Teapot"]);
            assert_eq!(names(products.of_family("Tea", Some(teacup))), ["Teapot"]);
            assert_eq!(names(products.of_family("Te", None)), [""; 0]);
            assert_eq!(products.families(None).collect::<Vec<_>>(), ["Coffee", "Tea"]);
            assert_eq!(products.families(Some("Coffee")).collect::<Vec<_>>(), ["Tea"]);
            let found = |prefix, after| {
                products.with_sku(prefix, after).map(|(variant, _)| variant).collect::<Vec<_>>()
            };
            assert_eq!(found("TEA-", None), [variant(11), variant(12)]);
            assert_eq!(found("TEA-", Some(("TEA-POT-1".to_owned(), variant(11)))), [variant(12)]);
            let of = products.product_of(variant(31)).expect("a known variant");
            assert_eq!(of.product.name, "Grinder");
        }
    }

    #[test]
    fn a_variant_names_the_locations_that_stock_it() {
        let history = shop();
        for products in [&history.view, &round_trip(&history.view)] {
            let at = |after| products.locations_of(variant(11), after).collect::<Vec<_>>();
            assert_eq!(at(None), [location(1), location(2)]);
            assert_eq!(at(Some(location(1))), [location(2)]);
            assert_eq!(products.locations_of(variant(31), None).count(), 0);
        }
        assert!(Products::wants("stock_item", 1) && !Products::wants("stock_item", 2));
    }

    fn list() -> PriceListId {
        PriceListId(uuid::Uuid::from_u128(7))
    }

    fn price() -> ListPrice {
        ListPrice { amount: euro(1_999), mode: PriceMode::Gross }
    }

    #[test]
    fn a_revised_product_moves_and_a_row_follows_its_product() {
        let mut history = shop();
        history
            .happens(id(1), revised("Kettle", "Kitchen"))
            .happens(
                id(1),
                Fact::Product(Event::PriceChanged {
                    variant: variant(11),
                    list: list(),
                    from: None,
                    to: price(),
                }),
            )
            .happens(id(1), Fact::Product(Event::ProductPublished {}));
        let products = &history.view;
        assert_eq!(names(products.by_name(None)), ["Grinder", "Kettle", "teacup"]);
        assert_eq!(names(products.of_family("Tea", None)), ["teacup"]);
        assert_eq!(names(products.of_family("Kitchen", None)), ["Kettle"]);
        let row = products.get(id(1)).expect("it is listed");
        assert!(row.is_published() && row.product.description.is_empty());
        let found = row.product.price(variant(11), list());
        assert_eq!((found, row.version), (Some(price().taxed(Rate::ZERO)), 6));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let mut history = shop();
        history.view.index_variant(variant(13), "TEA-POT-3".to_owned(), id(1), 3);
        assert_eq!(history.view.left_out(), 1);
        assert!(history.view.product_of(variant(13)).is_none());
    }
}

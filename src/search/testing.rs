//! A shop to search in: products by a few words each, and the names of what was found.

use std::path::Path;

use domain::id::{AggregateId, PriceListId, VariantId};
use domain::money::{Currency, Money};
use domain::products::price_list::default_list;
use domain::products::product::{Event, ListPrice, Status};
use domain::tax::PriceMode;
use tempfile::TempDir;

use crate::index::{Home, Index};
use crate::language::Language;
use crate::row::{At, Row};
use crate::{Catalogue, Found, Order, Query, Wanted};

/// A product that is for sale, in one variant.
#[derive(Clone, Copy)]
pub struct Goods {
    pub name: &'static str,
    pub family: &'static str,
    pub description: &'static str,
    pub sku: &'static str,
    pub variant: &'static str,
    pub euros: i64,
}

pub const fn goods(name: &'static str, sku: &'static str) -> Goods {
    Goods { name, family: "Things", description: "", sku, variant: "one", euros: 10 }
}

pub fn id(number: u128) -> AggregateId {
    AggregateId(uuid::Uuid::from_u128(number))
}

/// The list of prices in euros.
pub fn in_euros() -> PriceListId {
    default_list(Currency::from_code("EUR").expect("a currency"))
}

fn euros(minor: i64) -> ListPrice {
    let euro = Currency::from_code("EUR").expect("a currency");
    ListPrice { amount: Money::new(minor, euro), mode: PriceMode::Net }
}

/// Takes events one after the other.
pub fn happens(row: Option<Row>, number: u128, events: impl IntoIterator<Item = Event>) -> Row {
    let at = |version| At {
        id: id(number),
        version,
        shard: 1,
        seq: version,
        recorded_us: 1_000_000 * number as i64,
    };
    let mut row = row.unwrap_or_else(|| Row::before(at(1)));
    for event in events {
        row.take(at(row.version + 1), &event);
    }
    row
}

pub fn row(number: u128, goods: Goods) -> Row {
    let variant = VariantId(uuid::Uuid::from_u128(number + 1_000_000));
    let text = |text: &str| text.to_owned();
    let events = [
        Event::ProductCreated {
            name: text(goods.name),
            family: text(goods.family),
            description: text(goods.description),
        },
        Event::VariantAdded { variant, sku: text(goods.sku), name: text(goods.variant) },
        Event::PriceChanged { variant, list: in_euros(), from: None, to: euros(goods.euros * 100) },
        Event::ProductPublished {},
    ];
    happens(None, number, events)
}

/// Where an index lives on disk; `languages` of two.
pub fn home(data: Option<&Path>) -> Home {
    Home {
        data: data.map(Path::to_owned),
        installation: "one".to_owned(),
        languages: vec![Language::English, Language::German],
    }
}

/// An index in memory with these goods, numbered from 1.
pub fn shop(goods: &[Goods]) -> Catalogue {
    shelf((1..).zip(goods).map(|(number, goods)| row(number, *goods)).collect())
}

/// An index in memory with these rows.
pub fn shelf(rows: Vec<Row>) -> Catalogue {
    let index = home(None).begin().expect("an index");
    index.apply(&rows).expect("it is written");
    index.commit(&()).expect("it is committed")
}

pub fn published() -> Wanted {
    Wanted { statuses: vec![Status::Published], ..Wanted::default() }
}

pub fn query(text: &str) -> Query {
    Query::new(text, published(), Order::Relevance).expect("a query")
}

pub fn names(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| hit.row.product.name.as_str()).collect()
}

/// Checks what is found by a text, in this order.
pub fn finds(catalogue: &Catalogue, text: &str, expected: &[&str]) {
    let found = catalogue.search(&query(text)).expect("a search");
    assert_eq!(names(&found), expected, "{text}");
}

/// The same in one language.
pub fn finds_in(language: Language, catalogue: &Catalogue, text: &str, expected: &[&str]) {
    let query = Query { languages: vec![language], ..query(text) };
    let found = catalogue.search(&query).expect("a search");
    assert_eq!(names(&found), expected, "{text} in {}", language.tag());
}

/// An index on disk that was closed.
pub fn closed(folder: &TempDir, rows: &[Row], place: &str) {
    let (index, _) = home(Some(folder.path())).open::<String>().expect("an index");
    index.apply(rows).expect("it is written");
    index.commit(&place).expect("it is committed");
    drop::<Index>(index);
}

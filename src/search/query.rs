//! What may be asked of the index, within which bounds.

use domain::id::{AggregateId, PriceListId};
use domain::products::product::Status;

use crate::best::Key;
use crate::facets::FacetField;
use crate::language::Language;
use crate::words::words;

/// The longest text of a query.
pub const TEXT_CHARACTERS_MAX: usize = 200;
/// The most words in it.
pub const WORDS_MAX: usize = 8;
/// The most values that one filter names.
pub const VALUES_MAX: usize = 50;
/// The most values that are shown of one facet.
pub const FACET_VALUES_MAX: usize = 100;

/// In which order hits come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// What fits best first; of two that fit alike, the one with the shorter name.
    Relevance,
    Newest,
    /// By the least that a variant costs in the list of [`Wanted::price`].
    Cheapest,
    Dearest,
}

/// A range of the prices of one list: the cheapest variant's, both ends included, in minor units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PriceRange {
    pub list: PriceListId,
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// What hits must have beside the words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Of one of these families; empty: of any.
    pub families: Vec<String>,
    /// With a variant of one of these names; empty: of any.
    pub variants: Vec<String>,
    pub price: Option<PriceRange>,
    /// In one of these states; empty: none is found.
    pub statuses: Vec<Status>,
    /// With a variant that can be had, or with none; none: either.
    pub in_stock: Option<bool>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) text: String,
    pub(crate) words: Vec<String>,
    pub(crate) wanted: Wanted,
    /// Whose stems are looked for; empty: those of all languages that are indexed.
    pub languages: Vec<Language>,
    pub(crate) order: Order,
    pub first: usize,
    /// Hits stand behind this one.
    pub after: Option<Key>,
    /// The facets that are counted.
    pub facets: Vec<FacetField>,
    /// How many values of each.
    pub facet_values: usize,
    /// Says how many of the hits can be had.
    pub counts_stock: bool,
}

/// What is no query. The field is named as clients write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuery {
    #[error(
        "the text of a search has {TEXT_CHARACTERS_MAX} characters and {WORDS_MAX} words at most"
    )]
    TextTooLong,
    #[error("{field} names {max} values at most")]
    TooManyValues { field: &'static str, max: usize },
    #[error("an order by price needs a price list or its currency")]
    PriceListMissing,
    #[error("a range of prices begins before it ends")]
    EmptyRange,
}

impl Query {
    /// An empty text finds all that is wanted.
    pub fn new(text: &str, wanted: Wanted, order: Order) -> Result<Self, InvalidQuery> {
        if text.chars().nth(TEXT_CHARACTERS_MAX).is_some() {
            return Err(InvalidQuery::TextTooLong);
        }
        let words = words(text);
        if words.len() > WORDS_MAX {
            return Err(InvalidQuery::TextTooLong);
        }
        for (field, values) in [("family", &wanted.families), ("variant", &wanted.variants)] {
            if values.len() > VALUES_MAX {
                return Err(InvalidQuery::TooManyValues { field, max: VALUES_MAX });
            }
        }
        let by_price = matches!(order, Order::Cheapest | Order::Dearest);
        if by_price && wanted.price.is_none() {
            return Err(InvalidQuery::PriceListMissing);
        }
        if let Some(PriceRange { from: Some(from), to: Some(to), .. }) = wanted.price
            && from > to
        {
            return Err(InvalidQuery::EmptyRange);
        }
        Ok(Self {
            text: text.trim().to_lowercase(),
            words,
            wanted,
            languages: Vec::new(),
            order,
            first: 20,
            after: None,
            facets: Vec::new(),
            facet_values: FACET_VALUES_MAX,
            counts_stock: false,
        })
    }

    /// Whether it matters what can be had.
    pub fn looks_at_stock(&self) -> bool {
        self.counts_stock || self.wanted.in_stock.is_some()
    }

    /// What tells the list of this query from all others: a cursor of one is none of another.
    pub fn fingerprint(&self) -> u64 {
        let text = format!("{:?}", (&self.text, &self.wanted, &self.languages, self.order));
        AggregateId::derived(&[b"search", text.as_bytes()]).0.as_u64_pair().0
    }
}

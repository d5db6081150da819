//! The columns of a segment that a search reads: what filters look at, what orders compare, what
//! facets count.

use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, SegmentReader};

use crate::SearchError;
use crate::facets::FacetField;
use crate::query::{PriceRange, Query};
use crate::schema::{column, status_number};
use crate::stock::Stock;

/// See the module.
pub struct Columns<'a> {
    query: &'a Query,
    id_high: Column<u64>,
    id_low: Column<u64>,
    title_words: Column<u64>,
    created: Column<i64>,
    status: Column<u64>,
    statuses: Vec<u64>,
    prices: Option<Column<i64>>,
    /// What can be had, and the variants of each product; none where nobody asks.
    stock: Option<(&'a Stock, Column<u64>)>,
    family: Values,
    variant: Values,
}

/// A column of texts with those of its values that a filter names.
pub struct Values {
    pub texts: Option<StrColumn>,
    wanted: Vec<u64>,
}

/// The filters that a document does not pass: a facet counts what only its own filter keeps out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failed(u8);

impl Failed {
    const FAMILY: u8 = 1;
    const VARIANT: u8 = 2;
    const OTHER: u8 = 4;
    const STOCK: u8 = 8;
    /// It can be had. Nothing is kept out by that.
    const HAD: u8 = 16;

    pub fn is_none(self) -> bool {
        self.0 & !Self::HAD == 0
    }

    /// Whether it can be had, and passes all filters but perhaps that by stock.
    pub fn can_be_had(self) -> bool {
        self.0 & !Self::STOCK == Self::HAD
    }

    /// Whether it passes all filters but perhaps the one of this field.
    pub fn is_only(self, field: FacetField) -> bool {
        let own = match field {
            FacetField::Family => Self::FAMILY,
            FacetField::Variant => Self::VARIANT,
        };
        self.0 & !own & !Self::HAD == 0
    }
}

impl<'a> Columns<'a> {
    /// None for a segment in which nothing can be found.
    pub fn open(
        segment: &SegmentReader,
        query: &'a Query,
        stock: &'a Stock,
    ) -> Result<Option<Self>, SearchError> {
        let columns = segment.fast_fields();
        let prices = match &query.wanted.price {
            None => None,
            Some(range) => {
                let name = format!("{}.{}", column::PRICES, column::price_key(range.list));
                let Some(prices) = columns.column_opt::<i64>(&name)? else { return Ok(None) };
                Some(prices)
            }
        };
        Ok(Some(Self {
            query,
            id_high: columns.u64(column::ID_HIGH)?,
            id_low: columns.u64(column::ID_LOW)?,
            title_words: columns.u64(column::TITLE_WORDS)?,
            created: columns.i64(column::CREATED)?,
            status: columns.u64(column::STATUS)?,
            statuses: query.wanted.statuses.iter().map(|status| status_number(*status)).collect(),
            prices,
            stock: match query.looks_at_stock() {
                true => Some((stock, columns.u64(column::VARIANT_KEYS)?)),
                false => None,
            },
            family: Values::open(segment, column::FAMILY, &query.wanted.families)?,
            variant: Values::open(segment, column::VARIANT, &query.wanted.variants)?,
        }))
    }

    pub fn failed(&self, document: DocId) -> Failed {
        let mut failed = 0;
        if !self.statuses.contains(&self.status.first(document).unwrap_or(u64::MAX)) {
            failed |= Failed::OTHER;
        }
        if let (Some(prices), Some(range)) = (&self.prices, &self.query.wanted.price) {
            let fits = prices.first(document).is_some_and(|price| fits(price, range));
            failed |= if fits { 0 } else { Failed::OTHER };
        }
        if !self.query.wanted.families.is_empty() && !self.family.is_wanted(document) {
            failed |= Failed::FAMILY;
        }
        if !self.query.wanted.variants.is_empty() && !self.variant.is_wanted(document) {
            failed |= Failed::VARIANT;
        }
        // Last, and only where nothing else keeps it out of every count: this one costs a look for each variant.
        if failed & Failed::OTHER == 0
            && let Some((stock, variants)) = &self.stock
        {
            let is_had = variants.values_for_doc(document).any(|variant| stock.has(variant));
            failed |= if is_had { Failed::HAD } else { 0 };
            failed |= match self.query.wanted.in_stock {
                Some(wanted) if wanted != is_had => Failed::STOCK,
                _ => 0,
            };
        }
        Failed(failed)
    }

    pub fn id(&self, document: DocId) -> u128 {
        let half = |column: &Column<u64>| u128::from(column.first(document).unwrap_or(0));
        (half(&self.id_high) << 64) | half(&self.id_low)
    }

    pub fn title_words(&self, document: DocId) -> u64 {
        self.title_words.first(document).unwrap_or(0)
    }

    pub fn created(&self, document: DocId) -> i64 {
        self.created.first(document).unwrap_or(0)
    }

    /// The least that a variant costs in the price list of the query.
    pub fn price(&self, document: DocId) -> i64 {
        self.prices.as_ref().and_then(|prices| prices.first(document)).unwrap_or(0)
    }

    pub fn values(&self, field: FacetField) -> &Values {
        match field {
            FacetField::Family => &self.family,
            FacetField::Variant => &self.variant,
        }
    }
}

impl Values {
    fn open(segment: &SegmentReader, name: &str, wanted: &[String]) -> Result<Self, SearchError> {
        let texts = segment.fast_fields().str(name)?;
        let mut ordinals = Vec::with_capacity(wanted.len());
        if let Some(texts) = &texts {
            for value in wanted {
                ordinals.extend(texts.dictionary().term_ord(value)?);
            }
        }
        Ok(Self { texts, wanted: ordinals })
    }

    fn is_wanted(&self, document: DocId) -> bool {
        let Some(texts) = &self.texts else { return false };
        texts.ords().values_for_doc(document).any(|ordinal| self.wanted.contains(&ordinal))
    }
}

fn fits(price: i64, range: &PriceRange) -> bool {
    range.from.is_none_or(|from| from <= price) && range.to.is_none_or(|to| price <= to)
}

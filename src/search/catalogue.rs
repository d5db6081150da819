//! What is found, as of one commit of the index. A handle: cheap to clone, and for whoever holds one
//! nothing changes.

use std::sync::Arc;

use tantivy::{DocAddress, DocId, Searcher, TantivyDocument};

use crate::SearchError;
use crate::best::{Best, Key};
use crate::columns::Columns;
use crate::facets::{Facet, Facets};
use crate::matching::{Accumulator, Matching};
use crate::plan::Plan;
use crate::query::Query;
use crate::row::Row;
use crate::schema::Fields;
use crate::stock::Stock;
use domain::id::AggregateId;

/// See the module. The default knows nothing and finds nothing.
#[derive(Clone, Default)]
pub struct Catalogue(Option<Arc<Shelf>>);

struct Shelf {
    searcher: Searcher,
    fields: Fields,
}

/// How well the words of a query were met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Each hit has all of them.
    All,
    /// Nothing has all of them; each hit has some, those with most first.
    Some,
}

/// A product that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its place in the order, behind which the next page begins.
    pub key: Key,
    pub row: Row,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Whether there are more behind the last one.
    pub further: bool,
    /// How many there are in all, on whatever page.
    pub total: u64,
    pub matched: Matched,
    pub facets: Vec<Facet>,
    /// How many can be had, counted as if the filter by stock were not there; 0 where that was not asked.
    pub in_stock: u64,
}

impl Catalogue {
    pub(crate) fn over(searcher: Searcher, fields: Fields) -> Self {
        Self(Some(Arc::new(Shelf { searcher, fields })))
    }

    /// How many products there are.
    pub fn products(&self) -> u64 {
        self.0.as_ref().map_or(0, |shelf| shelf.searcher.num_docs())
    }

    /// The row of a product.
    pub fn row(&self, id: AggregateId) -> Result<Option<Row>, SearchError> {
        let Some(shelf) = &self.0 else { return Ok(None) };
        let term = shelf.fields.term_of(id);
        for (ordinal, segment) in (0..).zip(shelf.searcher.segment_readers()) {
            let index = segment.inverted_index(shelf.fields.id)?;
            let option = tantivy::schema::IndexRecordOption::Basic;
            let Some(mut postings) = index.read_block_postings(&term, option)? else { continue };
            while !postings.docs().is_empty() {
                let alive = |document: &&DocId| !segment.is_deleted(**document);
                if let Some(document) = postings.docs().iter().find(alive) {
                    return shelf.row(DocAddress::new(ordinal, *document)).map(Some);
                }
                postings.advance();
            }
        }
        Ok(None)
    }

    /// Looks for what a query wants. Blocks for as long as it computes: some milliseconds.
    pub fn search(&self, query: &Query) -> Result<Found, SearchError> {
        self.search_in(query, &Stock::default())
    }

    /// The same, where it matters what can be had.
    pub fn search_in(&self, query: &Query, stock: &Stock) -> Result<Found, SearchError> {
        let nothing = || Found {
            hits: Vec::new(),
            further: false,
            total: 0,
            matched: Matched::All,
            facets: Facets::new(query).read(query.facet_values),
            in_stock: 0,
        };
        let Some(shelf) = &self.0 else { return Ok(nothing()) };
        let plan = Plan::new(query, &shelf.fields, &shelf.searcher)?;
        let found = shelf.pass(query, &plan, Matched::All, stock)?;
        if found.total == 0 && plan.words.len() > 1 {
            return shelf.pass(query, &plan, Matched::Some, stock);
        }
        Ok(found)
    }
}

impl Shelf {
    fn row(&self, address: DocAddress) -> Result<Row, SearchError> {
        let document: TantivyDocument = self.searcher.doc(address)?;
        Ok(self.fields.row_of(&document)?)
    }

    fn pass(
        &self,
        query: &Query,
        plan: &Plan,
        mode: Matched,
        stock: &Stock,
    ) -> Result<Found, SearchError> {
        let mut best = Best::new(query);
        let mut facets = Facets::new(query);
        let mut accumulator = Accumulator::default();
        let (mut total, mut in_stock) = (0, 0);
        for (ordinal, segment) in (0..).zip(self.searcher.segment_readers()) {
            let columns = Columns::open(segment, query, stock)?;
            let Some(columns) = columns else { continue };
            let mut counting = facets.begin(&columns);
            let mut each = |document: DocId, score: u16| {
                if segment.is_deleted(document) {
                    return;
                }
                let failed = columns.failed(document);
                counting.count(document, failed);
                in_stock += u64::from(failed.can_be_had());
                if failed.is_none() {
                    total += 1;
                    best.offer(&columns, DocAddress::new(ordinal, document), score);
                }
            };
            Matching { segment, plan, mode }.run(&mut accumulator, &mut each)?;
            facets.end(counting)?;
        }
        let (best, further) = best.take();
        let hit = |(key, address)| Ok(Hit { key, row: self.row(address)? });
        Ok(Found {
            hits: best.into_iter().map(hit).collect::<Result<_, SearchError>>()?,
            further,
            total,
            matched: mode,
            facets: facets.read(query.facet_values),
            in_stock,
        })
    }
}

//! The documents of a segment that meet the words of a query, with what they are worth.
//!
//! Term at a time: each document has a cell of 16 bits, which says which word it met last and what it
//! is worth so far. The ways to meet a word come the best first, so that the first one that a document
//! meets is the one that counts. A list of documents is read block by block without a call for each
//! document; where few are left to look for, they are sought in it instead.

use std::sync::Arc;

use tantivy::postings::TermInfo;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet as _, InvertedIndexReader, SegmentReader, TERMINATED};

use crate::SearchError;
use crate::catalogue::Matched;
use crate::plan::{Plan, SKU_WEIGHT, Way, Ways};

/// What a document is worth stands in the lower bits, which word it met last above them.
const WORTH_BITS: u32 = 12;
const WORTH: u16 = (1 << WORTH_BITS) - 1;

/// Documents are sought in a list that is longer than so many of them.
const SOUGHT_FROM: usize = 16;

/// A cell for each document of a segment; kept from segment to segment.
#[derive(Default)]
pub struct Accumulator {
    cells: Vec<u16>,
    /// The documents that met the word before.
    met: Vec<DocId>,
}

/// One pass over a segment.
pub struct Matching<'a> {
    pub segment: &'a SegmentReader,
    pub plan: &'a Plan,
    pub mode: Matched,
}

impl Matching<'_> {
    /// Gives `each` every document that matches, once, in no order, deleted ones included.
    pub fn run(
        &self,
        accumulator: &mut Accumulator,
        each: &mut impl FnMut(DocId, u16),
    ) -> Result<(), SearchError> {
        if self.plan.is_everything && self.plan.sku.is_none() {
            (0..self.segment.max_doc()).for_each(|document| each(document, 0));
            return Ok(());
        }
        accumulator.cells.clear();
        accumulator.cells.resize(self.segment.max_doc() as usize, 0);
        accumulator.met.clear();
        for (place, ways) in (0..).zip(&self.plan.words) {
            match self.mode {
                Matched::All => self.narrow(accumulator, place, ways)?,
                Matched::Some => self.widen(accumulator, place, ways)?,
            }
        }
        self.take_sku(accumulator)?;
        for document in &accumulator.met {
            each(*document, accumulator.cells[*document as usize] & WORTH);
        }
        Ok(())
    }

    /// Keeps those that meet this word too.
    fn narrow(
        &self,
        accumulator: &mut Accumulator,
        place: u16,
        ways: &Ways,
    ) -> Result<(), SearchError> {
        let Accumulator { cells, met } = accumulator;
        let mut before = std::mem::take(met);
        if place > 0 && before.is_empty() {
            return Ok(());
        }
        if place > 0 {
            before.sort_unstable();
        }
        for way in &ways.0 {
            let worth = way.weight;
            let mut meet = |document: DocId| {
                let cell = &mut cells[document as usize];
                if *cell >> WORTH_BITS == place {
                    *cell = ((place + 1) << WORTH_BITS) | ((*cell & WORTH) + worth);
                    met.push(document);
                }
            };
            let Some(list) = self.list(way)? else { continue };
            if place > 0 && list.info.doc_freq as usize > before.len() * SOUGHT_FROM {
                list.seek(&before, &mut meet)?;
            } else {
                list.scan(&mut meet)?;
            }
        }
        Ok(())
    }

    /// Adds what this word is worth to whatever meets it.
    fn widen(
        &self,
        accumulator: &mut Accumulator,
        place: u16,
        ways: &Ways,
    ) -> Result<(), SearchError> {
        let Accumulator { cells, met } = accumulator;
        for way in &ways.0 {
            self.scan(way, &mut |document| {
                let cell = &mut cells[document as usize];
                let last = *cell >> WORTH_BITS;
                if last != place + 1 {
                    *cell = ((place + 1) << WORTH_BITS) | ((*cell & WORTH) + way.weight);
                }
                if last == 0 {
                    met.push(document);
                }
            })?;
        }
        Ok(())
    }

    /// Puts what has the whole query as a stock keeping unit above all else.
    fn take_sku(&self, accumulator: &mut Accumulator) -> Result<(), SearchError> {
        let Some(term) = &self.plan.sku else { return Ok(()) };
        let way = Way { field: term.field(), term: term.clone(), weight: SKU_WEIGHT };
        let Accumulator { cells, met } = accumulator;
        let complete = self.plan.words.len() as u16;
        self.scan(&way, &mut |document| {
            let cell = &mut cells[document as usize];
            let is_in = match self.mode {
                Matched::All => complete > 0 && *cell >> WORTH_BITS == complete,
                Matched::Some => *cell != 0,
            };
            *cell = SKU_WEIGHT;
            if !is_in {
                met.push(document);
            }
        })
    }

    fn scan(&self, way: &Way, each: &mut impl FnMut(DocId)) -> Result<(), SearchError> {
        self.list(way)?.map_or(Ok(()), |list| list.scan(each))
    }

    fn list(&self, way: &Way) -> Result<Option<List>, SearchError> {
        let index = self.segment.inverted_index(way.field)?;
        let info = index.get_term_info(&way.term)?;
        Ok(info.map(|info| List { index, info }))
    }
}

/// The documents of a segment that have a word in a field, in order.
struct List {
    index: Arc<InvertedIndexReader>,
    info: TermInfo,
}

impl List {
    fn scan(&self, each: &mut impl FnMut(DocId)) -> Result<(), SearchError> {
        let option = IndexRecordOption::Basic;
        let mut postings = self.index.read_block_postings_from_terminfo(&self.info, option)?;
        while !postings.docs().is_empty() {
            postings.docs().iter().for_each(|document| each(*document));
            postings.advance();
        }
        Ok(())
    }

    /// Gives `each` those of `sought`, in their order, that stand in the list.
    fn seek(&self, sought: &[DocId], each: &mut impl FnMut(DocId)) -> Result<(), SearchError> {
        let option = IndexRecordOption::Basic;
        let mut postings = self.index.read_postings_from_terminfo(&self.info, option)?;
        for document in sought {
            if postings.doc() < *document && postings.seek(*document) == TERMINATED {
                break;
            }
            if postings.doc() == *document {
                each(*document);
            }
        }
        Ok(())
    }
}

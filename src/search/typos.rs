//! Words that are nearly the one that was typed: a letter left out, put in, taken for another, or
//! two that changed places; twice where the word is long.

use std::collections::BTreeMap;

use tantivy::query::FuzzyTermQuery;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

use crate::SearchError;

/// A shorter word is taken as it is: every other short word is near it.
const ONE_OFF_FROM_CHARACTERS: usize = 4;
const TWO_OFF_FROM_CHARACTERS: usize = 8;
/// The most near words that one word is looked for by: those nearest, and of these the commonest.
const NEAR_MAX: usize = 32;

/// A word of the index that is near one that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    pub field: Field,
    pub word: String,
    /// One or two.
    pub distance: u8,
    /// How many products have it, at most.
    pub products: u64,
}

/// How far from a word others may be that are taken for it.
pub fn far(word: &[char]) -> usize {
    if word.len() < ONE_OFF_FROM_CHARACTERS || word.iter().any(|letter| letter.is_numeric()) {
        return 0;
    }
    if word.len() < TWO_OFF_FROM_CHARACTERS { 1 } else { 2 }
}

/// The words of these fields that are near one. Numbers have none: the next one is another number.
pub fn near(word: &str, searcher: &Searcher, fields: &[Field]) -> Result<Vec<Near>, SearchError> {
    let far = far(&word.chars().collect::<Vec<_>>()) as u8;
    let mut found = BTreeMap::new();
    for field in fields {
        for distance in 1..=far {
            let query = FuzzyTermQuery::new(Term::from_field_text(*field, word), distance, true);
            let automaton = query.automaton()?;
            for segment in searcher.segment_readers() {
                let words = segment.inverted_index(*field)?;
                let mut near = words.terms().search(&automaton).into_stream()?;
                while let Some((near, info)) = near.next() {
                    let Ok(near) = std::str::from_utf8(near) else { continue };
                    if near == word {
                        continue;
                    }
                    let (least, products) =
                        found.entry((*field, near.to_owned())).or_insert((distance, 0));
                    if *least == distance {
                        *products += u64::from(info.doc_freq);
                    }
                }
            }
        }
    }
    let near = |((field, word), (distance, products))| Near { field, word, distance, products };
    let mut found: Vec<_> = found.into_iter().map(near).collect();
    found.sort_by_key(|near| (near.distance, std::cmp::Reverse(near.products)));
    found.truncate(NEAR_MAX);
    Ok(found)
}

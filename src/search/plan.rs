//! How a query is looked for: for each of its words the ways to meet it, the best first.
//!
//! A word is met by itself, by its stem, by a word that it begins (the last one of a query, which
//! may still be being typed), or by a word that is one letter off, two where it is long. What meets
//! it in the name counts for more than in family, variants or stock keeping units, and those for more
//! than the description. A hit counts for each word the best way in which it meets it.

use tantivy::schema::Field;
use tantivy::{Searcher, Term};

use crate::SearchError;
use crate::language::Language;
use crate::query::Query;
use crate::schema::{Fields, Stems};
use crate::typos;
use crate::words::BEGINNING_CHARACTERS_MAX;

/// What the ways of meeting a word are worth. Eight words at most leave all sums below
/// [`SKU_WEIGHT`].
mod weight {
    pub const TITLE: u16 = 60;
    pub const TITLE_STEM: u16 = 52;
    pub const LABEL: u16 = 46;
    pub const LABEL_STEM: u16 = 40;
    pub const BEGINNING: u16 = 30;
    pub const TITLE_TYPO: u16 = 20;
    pub const LABEL_TYPO: u16 = 18;
    pub const TITLE_TYPOS: u16 = 14;
    pub const LABEL_TYPOS: u16 = 12;
    pub const BODY_STEM: u16 = 5;
}

/// What the whole query is worth as a stock keeping unit.
pub const SKU_WEIGHT: u16 = 4_000;

/// A word that more products than this have is spelled as its writer meant it.
const SPELLED_RIGHT_FROM: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Plan {
    /// The rarest first.
    pub words: Vec<Ways>,
    pub sku: Option<Term>,
    /// No word was given: all products are meant.
    pub is_everything: bool,
}

/// The ways to meet one word, the best first.
#[derive(Debug)]
pub struct Ways(pub Vec<Way>);

#[derive(Debug)]
pub struct Way {
    pub field: Field,
    pub term: Term,
    pub weight: u16,
}

impl Plan {
    pub fn new(query: &Query, fields: &Fields, searcher: &Searcher) -> Result<Self, SearchError> {
        let named = |stems: &&Stems| {
            query.languages.is_empty() || query.languages.contains(&stems.language)
        };
        let stems: Vec<&Stems> = fields.stems.iter().filter(named).collect();
        let planner = Planner { fields, stems, searcher };
        let last = query.words.last();
        let mut words = Vec::new();
        for word in planner.telling(&query.words) {
            let may_go_on = last.is_some_and(|last| std::ptr::eq(last, word));
            words.push(planner.ways(word, may_go_on)?);
        }
        words.sort_by_key(|(_, products)| *products);
        let is_word = !query.text.is_empty();
        Ok(Self {
            words: words.into_iter().map(|(ways, _)| ways).collect(),
            sku: is_word.then(|| Term::from_field_text(fields.sku, &query.text)),
            is_everything: query.words.is_empty(),
        })
    }
}

struct Planner<'a> {
    fields: &'a Fields,
    stems: Vec<&'a Stems>,
    searcher: &'a Searcher,
}

impl Planner<'_> {
    /// The words without those that name nothing, unless that leaves none.
    fn telling<'q>(&self, words: &'q [String]) -> Vec<&'q String> {
        let fills = |word: &str| {
            let mut languages = self.stems.iter().map(|stems| stems.language);
            languages.any(|language: Language| language.is_filler(word))
        };
        let telling: Vec<_> = words.iter().filter(|word| !fills(word)).collect();
        if telling.is_empty() { words.iter().collect() } else { telling }
    }

    /// The ways to meet a word, and how many products they might give.
    fn ways(&self, word: &str, may_go_on: bool) -> Result<(Ways, u64), SearchError> {
        let Fields { title, label, starts, .. } = *self.fields;
        let mut ways = vec![way(title, word, weight::TITLE), way(label, word, weight::LABEL)];
        for stems in &self.stems {
            let stem = stems.language.stem(word);
            ways.push(way(stems.title, &stem, weight::TITLE_STEM));
            ways.push(way(stems.label, &stem, weight::LABEL_STEM));
            ways.push(way(stems.body, &stem, weight::BODY_STEM));
        }
        if may_go_on && word.chars().count() <= BEGINNING_CHARACTERS_MAX {
            ways.push(way(starts, word, weight::BEGINNING));
        }
        let mut products = self.products(&ways)?;
        if products < SPELLED_RIGHT_FROM {
            let typos = typos::near(word, self.searcher, &[title, label])?;
            for near in typos {
                let weight = match (near.field == title, near.distance) {
                    (true, 1) => weight::TITLE_TYPO,
                    (true, _) => weight::TITLE_TYPOS,
                    (false, 1) => weight::LABEL_TYPO,
                    (false, _) => weight::LABEL_TYPOS,
                };
                products += near.products;
                ways.push(way(near.field, &near.word, weight));
            }
        }
        ways.sort_by_key(|way| std::cmp::Reverse(way.weight));
        Ok((Ways(ways), products))
    }

    fn products(&self, ways: &[Way]) -> Result<u64, SearchError> {
        let mut products = 0;
        for way in ways {
            products += self.searcher.doc_freq(&way.term)?;
        }
        Ok(products)
    }
}

fn way(field: Field, word: &str, weight: u16) -> Way {
    Way { field, term: Term::from_field_text(field, word), weight }
}

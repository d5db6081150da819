//! Facets: how many hits have which value of a field. Each is counted as if its own filter were not
//! there, so that somebody who chose one family sees what the others would give.

use std::collections::HashMap;

use tantivy::DocId;

use crate::SearchError;
use crate::columns::{Columns, Failed, Values};
use crate::query::Query;

/// The fields whose values are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FacetField {
    Family,
    /// The names of variants: sizes, colours.
    Variant,
}

/// The values of one field, those of most hits first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facet {
    pub field: FacetField,
    pub values: Vec<FacetValue>,
    /// Whether there are more values than are shown.
    pub further: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetValue {
    pub value: String,
    pub count: u64,
}

/// What was counted so far, over all segments.
pub struct Facets {
    counted: Vec<(FacetField, HashMap<String, u64>)>,
}

/// What is being counted in one segment, by the numbers that its values have there.
pub struct Counting<'a> {
    fields: Vec<(FacetField, &'a Values, Vec<u32>)>,
}

impl Facets {
    pub fn new(query: &Query) -> Self {
        Self { counted: query.facets.iter().map(|field| (*field, HashMap::new())).collect() }
    }

    pub fn begin<'a>(&self, columns: &'a Columns<'_>) -> Counting<'a> {
        let field = |(field, _): &(FacetField, HashMap<String, u64>)| {
            let values = columns.values(*field);
            let terms = values.texts.as_ref().map_or(0, |texts| texts.dictionary().num_terms());
            (*field, values, vec![0; terms])
        };
        Counting { fields: self.counted.iter().map(field).collect() }
    }

    pub fn end(&mut self, counting: Counting<'_>) -> Result<(), SearchError> {
        let fields = counting.fields.into_iter();
        for ((_, counted), (_, values, counts)) in self.counted.iter_mut().zip(fields) {
            let Some(texts) = &values.texts else { continue };
            let numbered = (0_u64..).zip(counts).filter(|(_, count)| *count > 0);
            let (ordinals, counts): (Vec<u64>, Vec<u32>) = numbered.unzip();
            let mut counts = counts.into_iter();
            texts.dictionary().sorted_ords_to_term_cb(&ordinals, |term| {
                let value = String::from_utf8_lossy(term).into_owned();
                *counted.entry(value).or_default() += u64::from(counts.next().unwrap_or(0));
            })?;
        }
        Ok(())
    }

    /// The values of most hits, `values_max` of each field; of two with the same count the one that
    /// comes first in the alphabet.
    pub fn read(self, values_max: usize) -> Vec<Facet> {
        let facet = |(field, counted): (FacetField, HashMap<String, u64>)| {
            let value = |(value, count)| FacetValue { value, count };
            let mut values: Vec<_> = counted.into_iter().map(value).collect();
            values.sort_by(|one, other| {
                other.count.cmp(&one.count).then_with(|| one.value.cmp(&other.value))
            });
            let further = values.len() > values_max;
            values.truncate(values_max);
            Facet { field, values, further }
        };
        self.counted.into_iter().map(facet).collect()
    }
}

impl Counting<'_> {
    pub fn count(&mut self, document: DocId, failed: Failed) {
        for (field, values, counts) in &mut self.fields {
            let Some(texts) = &values.texts else { continue };
            if failed.is_only(*field) {
                for ordinal in texts.ords().values_for_doc(document) {
                    counts[ordinal as usize] += 1;
                }
            }
        }
    }
}

//! The documents that came lately, so that each is read once: two generations, the older of which is
//! forgotten when the younger weighs half of what all may.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::ServerError;
use parking_lot::RwLock;
use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use crate::api::Api;
use crate::limits::DocumentLimits;
use crate::prepared::Prepared;

/// A document that weighs more than this part of what all may is not remembered.
const PART_OF_ALL: usize = 16;

#[derive(Default)]
pub struct Documents {
    generations: RwLock<Generations>,
}

type ByText = HashMap<Box<str>, Arc<Prepared>, Xxh3DefaultBuilder>;

#[derive(Default)]
struct Generations {
    young: ByText,
    old: ByText,
    /// What the young ones weigh.
    weight: usize,
}

impl Documents {
    /// The document of a text, read now or before.
    pub fn prepare(
        &self,
        text: &str,
        api: &Api,
        limits: &DocumentLimits,
    ) -> Result<Arc<Prepared>, ServerError> {
        let known = {
            let generations = self.generations.read();
            if let Some(known) = generations.young.get(text) {
                return Ok(Arc::clone(known));
            }
            generations.old.get(text).map(Arc::clone)
        };
        let prepared = match known {
            Some(known) => known,
            None => Arc::new(Prepared::read(text, api, limits)?),
        };
        if prepared.weight > limits.remembered_bytes_max / PART_OF_ALL {
            return Ok(prepared);
        }
        let mut generations = self.generations.write();
        if generations.weight + prepared.weight > limits.remembered_bytes_max / 2 {
            generations.old = std::mem::take(&mut generations.young);
            generations.weight = 0;
        }
        if generations.young.insert(text.into(), Arc::clone(&prepared)).is_none() {
            generations.weight += prepared.weight;
        }
        Ok(prepared)
    }

    /// What all weigh that are remembered.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        let generations = self.generations.read();
        let all = generations.young.values().chain(generations.old.values());
        all.map(|prepared| prepared.weight).sum()
    }
}

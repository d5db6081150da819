//! The best of all hits, as many as one page has. Keeps no more than that, however many there are.

use std::collections::BinaryHeap;

use tantivy::DocAddress;

use crate::columns::Columns;
use crate::query::{Order, Query};

/// The place of a hit in its order: by rank, the least first, then by id. It outlives changes of the
/// index, so that the next page begins where the last one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub rank: u64,
    pub id: u128,
}

/// See the module.
pub struct Best {
    order: Order,
    after: Option<Key>,
    wanted: usize,
    /// The last of them on top; one more than is wanted, so that it is known whether there are more.
    kept: BinaryHeap<(Key, DocAddress)>,
}

impl Best {
    pub fn new(query: &Query) -> Self {
        Self { order: query.order, after: query.after, wanted: query.first, kept: <_>::default() }
    }

    /// Takes a hit if it is among the best so far.
    pub fn offer(&mut self, columns: &Columns<'_>, address: DocAddress, score: u16) {
        let document = address.doc_id;
        let rank = match self.order {
            Order::Relevance => {
                (u64::from(u16::MAX - score) << 32) | columns.title_words(document).min(0xffff)
            }
            Order::Newest => u64::MAX - columns.created(document).cast_unsigned(),
            Order::Cheapest => columns.price(document).cast_unsigned(),
            Order::Dearest => u64::MAX - columns.price(document).cast_unsigned(),
        };
        let is_full = self.kept.len() > self.wanted;
        if is_full && self.kept.peek().is_some_and(|(last, _)| rank > last.rank) {
            return;
        }
        if self.after.is_some_and(|after| rank < after.rank) {
            return;
        }
        let key = Key { rank, id: columns.id(document) };
        if self.after.is_some_and(|after| key <= after) {
            return;
        }
        self.kept.push((key, address));
        if is_full {
            self.kept.pop();
        }
    }

    /// The best in their order, and whether there are more.
    pub fn take(self) -> (Vec<(Key, DocAddress)>, bool) {
        let mut best = self.kept.into_sorted_vec();
        let further = best.len() > self.wanted;
        best.truncate(self.wanted);
        (best, further)
    }
}

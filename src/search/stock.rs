//! Which variants can be had: what a search by stock looks at, beside the index. Stock changes all the time,
//! and a product in the index is written whole; so it is no part of it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use domain::id::{AggregateId, VariantId};

/// Of each variant, at how many places it can be had; nothing of those that cannot. About 60 bytes for each
/// pair of variant and place where it can.
#[derive(Debug, Default)]
pub struct Stock {
    /// The variant of each stock item that has something.
    items: HashMap<u64, u64, Spread>,
    places: HashMap<u64, u32, Spread>,
}

impl Stock {
    /// What a stock item says of a variant at its place.
    pub fn set(&mut self, item: AggregateId, variant: VariantId, can_be_had: bool) {
        let (item, variant) = (key_of(item), variant_key(variant));
        let before = match can_be_had {
            true => self.items.insert(item, variant),
            false => self.items.remove(&item),
        };
        if before == can_be_had.then_some(variant) {
            return;
        }
        if let Some(before) = before
            && let Some(places) = self.places.get_mut(&before)
        {
            *places -= 1;
            if *places == 0 {
                self.places.remove(&before);
            }
        }
        if can_be_had {
            *self.places.entry(variant).or_default() += 1;
        }
    }

    /// Whether a variant can be had anywhere, by its key in the index.
    pub(crate) fn has(&self, variant: u64) -> bool {
        self.places.contains_key(&variant)
    }

    /// How many variants can be had.
    pub fn variants(&self) -> usize {
        self.places.len()
    }
}

/// What stands for a variant in the index, and here.
pub(crate) fn variant_key(variant: VariantId) -> u64 {
    key_of(AggregateId(variant.0))
}

/// Ids are as good as random in all of their bits: two of a million have one key once in ten million shops.
fn key_of(id: AggregateId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    high.rotate_left(32) ^ low
}

/// Keys are numbers that are spread already.
#[derive(Default)]
struct Spreading(u64);

type Spread = BuildHasherDefault<Spreading>;

impl Hasher for Spreading {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        // What differs in few bits only, in tests, is spread too.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_variant_can_be_had_as_long_as_one_place_has_some() {
        let item = |number: u128| AggregateId(Uuid::from_u128(number));
        let variant = |number: u128| VariantId(Uuid::from_u128(number));
        let mut stock = Stock::default();
        let has = |stock: &Stock, number| stock.has(variant_key(variant(number)));
        stock.set(item(1), variant(7), true);
        stock.set(item(2), variant(7), true);
        stock.set(item(2), variant(7), true);
        assert!(has(&stock, 7) && !has(&stock, 8));
        stock.set(item(1), variant(7), false);
        stock.set(item(1), variant(7), false);
        assert!(has(&stock, 7));
        stock.set(item(2), variant(7), false);
        assert!(!has(&stock, 7));
        assert_eq!((stock.variants(), stock.items.len()), (0, 0), "nothing is kept of it");
    }
}

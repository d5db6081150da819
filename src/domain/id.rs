//! Ids of aggregates: 128 bits, either drawn (UUIDv7) by whoever calls, or derived from a name.
//!
//! Nothing here draws randomness: [`AggregateId::derived`] is a pure function of its parts.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

/// The id of one aggregate; unique within its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AggregateId(pub Uuid);

impl AggregateId {
    /// The id that the given parts name: the same parts give the same id on every node, for ever
    /// (UUIDv8 over XXH3-128 of the length-prefixed parts). For aggregates that are found by a
    /// natural key: the stock of a variant at a location, the reservation of an e-mail address.
    /// Not a secret, and not proof against someone who searches for collisions on purpose:
    /// whoever derives from foreign text keeps that text in the state and compares it.
    pub fn derived(parts: &[&[u8]]) -> Self {
        let mut hasher = Xxh3::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(Uuid::new_v8(hasher.digest128().to_be_bytes()))
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for AggregateId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Ids that name things inside aggregates, or things that are not aggregates; a type each, so that
/// a variant cannot be passed where a location is meant.
macro_rules! named_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )+};
}

named_ids! {
    /// A sellable variant of a product.
    VariantId,
    /// A place that keeps stock.
    LocationId,
    /// A claim on stock; chosen by whoever asks for it, so that asking twice is harmless.
    HoldId,
    /// A move of stock from one location to another; names both of its sides.
    TransferId,
    /// Whoever buys: a user, or a guest by an id derived from the e-mail address.
    CustomerId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_depend_on_where_the_parts_end() {
        let one = AggregateId::derived(&[b"ab", b"c"]);
        assert_ne!(one, AggregateId::derived(&[b"a", b"bc"]));
        assert_eq!(one, AggregateId::derived(&[b"ab", b"c"]));
    }
}

//! Ids of aggregates: 128 bits in the form of a UUIDv8 that carries its [`Slot`], by which it finds
//! its shard.
//!
//! ```text
//! bits    48            4    12         2    2         60
//!         milliseconds  8    slot high  10   slot low  random      drawn
//!         hash ................................................    derived
//! ```
//!
//! A drawn id begins with the time, so that new rows go to the end of an index; a derived one is a
//! hash throughout: a plain one where it follows from ids of ours, a keyed one where it follows from
//! what a client chooses. What belongs to another aggregate carries that one's slot: it lives on the same
//! shard, moves with it, and commits together with it.
//!
//! Nothing here draws randomness: time and random bits come in as arguments.

use std::fmt;
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

/// The number of slots that ids are spread over, for ever.
pub const SLOTS: u16 = 1 << SLOT_BITS;

const SLOT_BITS: u32 = 14;
/// The bits of a slot that stand before the variant, and those behind it.
const SLOT_LOW_BITS: u32 = 2;
/// Where both parts of a slot begin, counted from the end of an id.
const SLOT_HIGH_AT: u32 = 64;
const SLOT_LOW_AT: u32 = 60;
const SLOT_MASK: u128 = ((1 << (SLOT_BITS - SLOT_LOW_BITS)) - 1) << SLOT_HIGH_AT | 3 << SLOT_LOW_AT;
/// Where the version and the variant of a UUID stand.
const FORM_MASK: u128 = 0xF << 76 | 0b11 << 62;
/// Version 8, variant 10.
const FORM: u128 = 0x8 << 76 | 0b10 << 62;
const RANDOM_MASK: u128 = (1 << SLOT_LOW_AT) - 1;
const TIME_AT: u32 = 80;

/// One of the [`SLOTS`] that ids are spread over. A map of the database's says which shard has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(u16);

impl Slot {
    /// The slot of this number, counted round.
    pub fn new(number: u16) -> Self {
        Self(number % SLOTS)
    }

    pub fn number(self) -> u16 {
        self.0
    }

    fn bits(self) -> u128 {
        let slot = u128::from(self.0);
        slot >> SLOT_LOW_BITS << SLOT_HIGH_AT | (slot & 3) << SLOT_LOW_AT
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What the installation makes ids with that follow from what clients choose. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdSecret(pub [u8; 16]);

impl fmt::Debug for IdSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdSecret(…)")
    }
}

/// The id of one aggregate; unique within its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AggregateId(pub Uuid);

impl AggregateId {
    /// The id of something new: when it is drawn, milliseconds since 1970 (48 bits), on which slot,
    /// and 60 random bits.
    pub fn drawn(at_ms: u64, slot: Slot, random: u64) -> Self {
        let id = u128::from(at_ms) << TIME_AT | FORM | slot.bits();
        Self(Uuid::from_u128(id | u128::from(random) & RANDOM_MASK))
    }

    /// The id that the given parts name: the same parts give the same id on every node, for ever
    /// (XXH3-128 of the length-prefixed parts). For what follows from ids of ours. Not a secret, and
    /// not proof against someone who searches for collisions on purpose: what a client chooses is
    /// [`keyed`](Self::keyed).
    pub fn derived(parts: &[&[u8]]) -> Self {
        Self(Uuid::from_u128(digest(parts) & !FORM_MASK | FORM))
    }

    /// The id that the given parts name to whoever has the secret (SipHash-2-4 of 128 bits): nobody
    /// else can tell it beforehand, aim it at a slot, or find parts that lead to it.
    pub fn keyed(secret: &IdSecret, parts: &[&[u8]]) -> Self {
        let mut hasher = SipHasher24::new_with_key(&secret.0);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        Self(Uuid::from_u128(hasher.finish128().as_u128() & !FORM_MASK | FORM))
    }

    /// The same as [`derived`](Self::derived) for what belongs to another aggregate: it carries that one's slot.
    pub fn derived_beside(parent: Self, parts: &[&[u8]]) -> Self {
        let id = Self::derived(parts).0.as_u128();
        Self(Uuid::from_u128(id & !SLOT_MASK | parent.slot().bits()))
    }

    /// By which it finds its shard.
    pub fn slot(self) -> Slot {
        let id = self.0.as_u128();
        let high = (id >> SLOT_HIGH_AT) as u16 & ((1 << (SLOT_BITS - SLOT_LOW_BITS)) - 1);
        let low = (id >> SLOT_LOW_AT) as u16 & 3;
        Slot(high << SLOT_LOW_BITS | low)
    }

    /// Whether it has the form of what is made here. What has another never was an aggregate.
    pub fn is_well_formed(self) -> bool {
        self.0.as_u128() & FORM_MASK == FORM
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

fn digest(parts: &[&[u8]]) -> u128 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest128()
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
    /// What prices stand in: the id of an aggregate of its own.
    PriceListId,
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
#[path = "id_tests.rs"]
mod tests;

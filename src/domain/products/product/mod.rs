//! A product: what is sold, in which variants, at which list prices and tax rate.
//!
//! This folder owns names, variants and prices. It knows no stock, and it does not say what an
//! order costs: an order freezes the prices that it found. What a price list says of its prices,
//! their currency and whether tax is inside, comes with each of them and never changes.
//!
//! ```text
//! Draft <-> Published        Draft, Published -> Archived (for ever)
//! ```

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::{PriceListId, VariantId};
use crate::money::Rate;
use crate::text::InvalidText;

pub use questions::{NoOffer, Offer, Questions, WhatItCosts};
pub use state::{ListPrice, State, Status, Translation, Variant};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Product;

/// The most variants of one product.
pub const VARIANTS_MAX: usize = 250;
/// The most price lists in which one variant has a price.
pub const PRICES_MAX: usize = 50;
/// The highest list price, in minor units.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
pub const NAME_CHARACTERS_MAX: usize = 200;
pub const FAMILY_CHARACTERS_MAX: usize = 64;
pub const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// The most languages that one is described in beside the first.
pub const TRANSLATIONS_MAX: usize = 20;
/// A stock keeping unit's name: this many visible ASCII characters at most.
pub const SKU_CHARACTERS_MAX: usize = 64;

/// What may be asked of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    Create {
        name: String,
        family: String,
        description: String,
    },
    /// Changes how the product is described.
    Revise {
        name: String,
        family: String,
        description: String,
    },
    /// Says how it is described in one more language, or says it anew.
    Translate {
        language: String,
        name: String,
        description: String,
    },
    RemoveTranslation {
        language: String,
    },
    /// Success too when the variant is there already, exactly so.
    AddVariant {
        variant: VariantId,
        sku: String,
        name: String,
    },
    /// Sets or changes the price of a variant in a list. Currency and mode are the list's.
    SetPrice {
        variant: VariantId,
        list: PriceListId,
        price: ListPrice,
    },
    /// Ends the sale of a variant at the prices of a list.
    RemovePrice {
        variant: VariantId,
        list: PriceListId,
    },
    SetTaxRate {
        rate: Rate,
    },
    /// Needs a variant with a price.
    Publish,
    Unpublish,
    Archive,
}

/// What has happened to a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    ProductCreated { name: String, family: String, description: String },
    ProductRevised { name: String, family: String, description: String },
    ProductTranslated { language: String, name: String, description: String },
    TranslationRemoved { language: String },
    VariantAdded { variant: VariantId, sku: String, name: String },
    PriceChanged { variant: VariantId, list: PriceListId, from: Option<ListPrice>, to: ListPrice },
    PriceRemoved { variant: VariantId, list: PriceListId, from: ListPrice },
    TaxRateChanged { from: Rate, to: Rate },
    ProductPublished {},
    ProductUnpublished {},
    ProductArchived {},
}

impl DomainEvent for Event {}

/// Why a product will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such product")]
    NotFound,
    #[error("the product exists, with other particulars")]
    AlreadyExists,
    #[error("a product that is {status} does not {command}")]
    IllegalTransition { status: Status, command: Cow<'static, str> },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("a language is a language tag of at most {max} bytes, such as de-AT")]
    InvalidLanguage { max: usize },
    #[error("a sku is 1 to {max} visible ASCII characters without spaces")]
    InvalidSku { max: usize },
    #[error("the sku {sku} is taken by another variant")]
    SkuTaken { sku: String },
    #[error("the variant exists, with other particulars")]
    VariantConflict,
    #[error("no such variant")]
    VariantNotFound,
    #[error("a price is between 0 and {max} minor units")]
    InvalidPrice { max: i64 },
    #[error("nothing to publish: no variant has a price")]
    NothingToSell,
    #[error("a published product keeps at least one price")]
    LastPrice,
    #[error("too many variants, prices or languages: at most {max}")]
    TooMany { max: usize },
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "PRODUCT_NOT_FOUND",
            Self::AlreadyExists => "PRODUCT_EXISTS",
            Self::IllegalTransition { .. } => "INVALID_TRANSITION",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::InvalidLanguage { .. } => "INVALID_LANGUAGE",
            Self::InvalidSku { .. } => "INVALID_SKU",
            Self::SkuTaken { .. } => "SKU_TAKEN",
            Self::VariantConflict => "VARIANT_CONFLICT",
            Self::VariantNotFound => "VARIANT_NOT_FOUND",
            Self::InvalidPrice { .. } => "INVALID_PRICE",
            Self::NothingToSell => "PRICE_REQUIRED",
            Self::LastPrice => "PRICE_REQUIRED",
            Self::TooMany { .. } => "LIMIT_REACHED",
        }
    }
}

impl Aggregate for Product {
    const TYPE: &'static str = "product";
    const STATE_SCHEMA: u32 = 2;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, _: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}

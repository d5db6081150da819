//! What may be asked of a product.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Product, State, Status};
use crate::id::VariantId;
use crate::money::{Currency, Money, Rate};
use crate::question::{Bounded, Question, Whole};

crate::questions!(Product { Whole, WhatItCosts });

/// What grows are its variants and their prices, at most [`VARIANTS_MAX`](super::VARIANTS_MAX) and
/// [`PRICES_MAX`](super::PRICES_MAX) of each.
impl Bounded for Product {}

/// The list price of a variant in a currency, with what else an order takes from the product.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatItCosts {
    pub variant: VariantId,
    pub currency: Currency,
}

/// What a product says of one of its variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Of the product.
    pub name: String,
    pub variant_name: String,
    /// Net, of one unit.
    pub unit_price: Money,
    pub tax_rate: Rate,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum NoOffer {
    NoSuchVariant,
    NotForSale,
    NotInThisCurrency,
}

impl Question<Product> for WhatItCosts {
    type Answer = Result<Offer, NoOffer>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Self::Answer {
        let variant = state.variants.get(&self.variant).ok_or(NoOffer::NoSuchVariant)?;
        if state.status != Status::Published {
            return Err(NoOffer::NotForSale);
        }
        let unit_price = variant.prices.get(&self.currency).copied();
        Ok(Offer {
            variant_name: variant.name.clone(),
            unit_price: unit_price.ok_or(NoOffer::NotInThisCurrency)?,
            tax_rate: state.tax_rate,
            name: state.name,
        })
    }
}

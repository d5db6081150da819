//! What may be asked of a product.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Product, State, Status};
use crate::id::{PriceListId, VariantId};
use crate::question::{Bounded, Question, Whole};
use crate::tax::UnitPrice;

crate::questions!(Product { Whole, WhatItCosts });

/// What grows are its variants and their prices, at most [`VARIANTS_MAX`](super::VARIANTS_MAX) and
/// [`PRICES_MAX`](super::PRICES_MAX) of each.
impl Bounded for Product {}

/// The price of a variant in a list, with what else an order takes from the product.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatItCosts {
    pub variant: VariantId,
    pub list: PriceListId,
}

/// What a product says of one of its variants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Of the product.
    pub name: String,
    pub variant_name: String,
    pub price: UnitPrice,
}

/// Why there is none: of several reasons the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum NoOffer {
    NoSuchVariant,
    NotForSale,
    NotInThisList,
}

impl Question<Product> for WhatItCosts {
    type Answer = Result<Offer, NoOffer>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Self::Answer {
        let variant = state.variants.get(&self.variant).ok_or(NoOffer::NoSuchVariant)?;
        if state.status != Status::Published {
            return Err(NoOffer::NotForSale);
        }
        let price = variant.prices.get(&self.list).ok_or(NoOffer::NotInThisList)?;
        Ok(Offer {
            variant_name: variant.name.clone(),
            price: price.taxed(state.tax_rate),
            name: state.name,
        })
    }
}

//! What a line costs: name, price and tax rate come from the product as it is now, never from
//! whoever asks. Reads products and changes nothing.

use std::fmt;

use actors::aggregate_ref::{Engine, Fault};
use domain::aggregate;
use domain::commerce::order::NAME_CHARACTERS_MAX;
use domain::id::{AggregateId, PriceListId, VariantId};
use domain::products::product::{self, NoOffer, Product, WhatItCosts};
use domain::tax::UnitPrice;

/// What the shop adds to what a buyer wants.
pub(crate) struct Offer {
    pub name: String,
    pub price: UnitPrice,
}

/// Why there is no price. Of several reasons the first is told, in the order in which they stand here.
#[derive(Clone, Debug, PartialEq)]
pub enum Unpriced {
    /// It does not exist, or has no such variant.
    Product(product::Refusal),
    NotForSale,
    /// It is for sale, and not at the prices of the order's list.
    NotInThisList,
}

impl fmt::Display for Unpriced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(refusal) => refusal.fmt(formatter),
            Self::NotForSale => formatter.write_str("the product is not for sale"),
            Self::NotInThisList => formatter
                .write_str("the variant has no price in the order's currency and price list"),
        }
    }
}

impl aggregate::Refusal for Unpriced {
    fn code(&self) -> &'static str {
        match self {
            Self::Product(refusal) => refusal.code(),
            Self::NotForSale | Self::NotInThisList => "PRODUCT_NOT_FOR_SALE",
        }
    }
}

/// The present offer of a variant in a price list, or why there is none.
pub(crate) async fn offer(
    engine: &Engine,
    list: PriceListId,
    product: AggregateId,
    variant: VariantId,
) -> Result<Result<Offer, Unpriced>, Fault> {
    let wanted = WhatItCosts { variant, list };
    let told = engine.aggregate::<Product>(product).read(&wanted).await?;
    if told.version == 0 {
        return Ok(Err(Unpriced::Product(product::Refusal::NotFound)));
    }
    Ok(told.answer.map(Offer::from).map_err(|why| match why {
        NoOffer::NoSuchVariant => Unpriced::Product(product::Refusal::VariantNotFound),
        NoOffer::NotForSale => Unpriced::NotForSale,
        NoOffer::NotInThisList => Unpriced::NotInThisList,
    }))
}

impl From<product::Offer> for Offer {
    fn from(offer: product::Offer) -> Self {
        let name = format!("{}, {}", offer.name, offer.variant_name);
        let name = name.chars().take(NAME_CHARACTERS_MAX).collect();
        Self { name, price: offer.price }
    }
}

//! What a line costs: name, list price and tax rate come from the product as it is now, never from
//! whoever asks. Reads products and changes nothing.

use std::fmt;

use actors::aggregate_ref::{Engine, Fault};
use domain::aggregate;
use domain::commerce::order::NAME_CHARACTERS_MAX;
use domain::id::{AggregateId, VariantId};
use domain::money::{Currency, Money, Rate};
use domain::products::product::{self, NoOffer, Product, WhatItCosts};

/// What the shop adds to what a buyer wants.
pub(crate) struct Offer {
    pub name: String,
    /// Net, of one unit.
    pub unit_price: Money,
    pub tax_rate: Rate,
}

/// Why there is no price.
#[derive(Clone, Debug, PartialEq)]
pub enum Unpriced {
    Product(product::Refusal),
    NotForSale,
    NotIn(Currency),
}

impl fmt::Display for Unpriced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product(refusal) => refusal.fmt(formatter),
            Self::NotForSale => formatter.write_str("the product is not for sale"),
            Self::NotIn(currency) => write!(formatter, "the variant has no price in {currency}"),
        }
    }
}

impl aggregate::Refusal for Unpriced {
    fn code(&self) -> &'static str {
        match self {
            Self::Product(refusal) => refusal.code(),
            Self::NotForSale => "PRODUCT_NOT_FOR_SALE",
            Self::NotIn(_) => "CURRENCY_MISMATCH",
        }
    }
}

/// The present offer of a variant in a currency, or why there is none.
pub(crate) async fn offer(
    engine: &Engine,
    currency: Currency,
    product: AggregateId,
    variant: VariantId,
) -> Result<Result<Offer, Unpriced>, Fault> {
    let wanted = WhatItCosts { variant, currency };
    let told = engine.aggregate::<Product>(product).read(&wanted).await?;
    if told.version == 0 {
        return Ok(Err(Unpriced::Product(product::Refusal::NotFound)));
    }
    Ok(told.answer.map(Offer::from).map_err(|why| match why {
        NoOffer::NoSuchVariant => Unpriced::Product(product::Refusal::VariantNotFound),
        NoOffer::NotForSale => Unpriced::NotForSale,
        NoOffer::NotInThisCurrency => Unpriced::NotIn(currency),
    }))
}

impl From<product::Offer> for Offer {
    fn from(offer: product::Offer) -> Self {
        let name = format!("{}, {}", offer.name, offer.variant_name);
        let name = name.chars().take(NAME_CHARACTERS_MAX).collect();
        Self { name, unit_price: offer.unit_price, tax_rate: offer.tax_rate }
    }
}

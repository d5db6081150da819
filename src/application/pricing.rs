//! What a line costs: name, list price and tax rate come from the product as it is now, never from
//! whoever asks. Reads products and changes nothing.

use std::fmt;

use actors::aggregate_ref::{Engine, Fault};
use domain::aggregate;
use domain::commerce::order::NAME_CHARACTERS_MAX;
use domain::id::{AggregateId, VariantId};
use domain::money::{Currency, Money, Rate};
use domain::products::product::{self, Product, Status};

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
    let product = engine.aggregate::<Product>(product).read().await?;
    Ok(if product.version == 0 {
        Err(Unpriced::Product(product::Refusal::NotFound))
    } else {
        offer_of(&product.state, currency, variant)
    })
}

fn offer_of(
    product: &product::State,
    currency: Currency,
    variant: VariantId,
) -> Result<Offer, Unpriced> {
    let known = product.variants.get(&variant);
    let known = known.ok_or(Unpriced::Product(product::Refusal::VariantNotFound))?;
    if product.status != Status::Published {
        return Err(Unpriced::NotForSale);
    }
    let price = product.list_price(variant, currency);
    let unit_price = price.ok_or(Unpriced::NotIn(currency))?;
    let name = format!("{}, {}", product.name, known.name);
    let name = name.chars().take(NAME_CHARACTERS_MAX).collect();
    Ok(Offer { name, unit_price, tax_rate: product.tax_rate })
}

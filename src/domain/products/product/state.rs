//! The state of a product: how it is described, its variants and prices, and how each event moves
//! it. Nothing here decides.

use std::fmt;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::VariantId;
use crate::money::{Currency, Money, Rate};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Draft,
    Published,
    Archived,
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Archived => "archived",
        })
    }
}

/// Something of the product that can be had: a size, a colour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    pub sku: String,
    pub name: String,
    /// The net list price of one unit in each currency; at most [`PRICES_MAX`](super::PRICES_MAX).
    pub prices: OrdMap<Currency, Money>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub created: bool,
    pub status: Status,
    pub name: String,
    pub family: String,
    pub description: String,
    pub tax_rate: Rate,
    /// At most [`VARIANTS_MAX`](super::VARIANTS_MAX).
    pub variants: OrdMap<VariantId, Variant>,
}

impl State {
    /// The net list price of one unit; none while the product is not published.
    pub fn list_price(&self, variant: VariantId, currency: Currency) -> Option<Money> {
        if self.status != Status::Published {
            return None;
        }
        self.variants.get(&variant)?.prices.get(&currency).copied()
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::ProductCreated { name, family, description }
            | Event::ProductRevised { name, family, description } => {
                self.created = true;
                self.name.clone_from(name);
                self.family.clone_from(family);
                self.description.clone_from(description);
            }
            Event::VariantAdded { variant, sku, name } => {
                let added = Variant { sku: sku.clone(), name: name.clone(), prices: OrdMap::new() };
                self.variants.insert(*variant, added);
            }
            Event::PriceChanged { variant, to, .. } => {
                if let Some(variant) = self.variants.get_mut(variant) {
                    variant.prices.insert(to.currency, *to);
                }
            }
            Event::PriceRemoved { variant, from } => {
                if let Some(variant) = self.variants.get_mut(variant) {
                    variant.prices.remove(&from.currency);
                }
            }
            Event::TaxRateChanged { to, .. } => self.tax_rate = *to,
            Event::ProductPublished {} => self.status = Status::Published,
            Event::ProductUnpublished {} => self.status = Status::Draft,
            Event::ProductArchived {} => self.status = Status::Archived,
        }
    }
}

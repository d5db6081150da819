//! The state of a product: how it is described, its variants and prices, and how each event moves
//! it. Nothing here decides.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::{PriceListId, VariantId};
use crate::money::{Money, Rate};
use crate::tax::{PriceMode, UnitPrice};

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
    /// The price of one unit in each list; at most [`PRICES_MAX`](super::PRICES_MAX). Shared and
    /// copied as a whole: there are few, and a node of a persistent map has room for 64.
    pub prices: Arc<BTreeMap<PriceListId, ListPrice>>,
}

/// A price in a list, with what the list says of all that stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPrice {
    pub amount: Money,
    pub mode: PriceMode,
}

impl ListPrice {
    pub fn taxed(self, tax_rate: Rate) -> UnitPrice {
        UnitPrice { amount: self.amount, mode: self.mode, tax_rate }
    }
}

/// How a product is described in one more language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    pub name: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub created: bool,
    pub status: Status,
    pub name: String,
    pub family: String,
    pub description: String,
    /// By language tag; at most [`TRANSLATIONS_MAX`](super::TRANSLATIONS_MAX). Shared and copied as a whole:
    /// there are few, and most have none.
    #[serde(default, skip_serializing_if = "no_translations")]
    pub translations: Arc<BTreeMap<String, Translation>>,
    pub tax_rate: Rate,
    /// At most [`VARIANTS_MAX`](super::VARIANTS_MAX).
    pub variants: OrdMap<VariantId, Variant>,
}

fn no_translations(all: &Arc<BTreeMap<String, Translation>>) -> bool {
    all.is_empty()
}

impl State {
    /// What one unit costs; none while the product is not published.
    pub fn price(&self, variant: VariantId, list: PriceListId) -> Option<UnitPrice> {
        if self.status != Status::Published {
            return None;
        }
        let price = self.variants.get(&variant)?.prices.get(&list)?;
        Some(price.taxed(self.tax_rate))
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
            Event::ProductTranslated { language, name, description } => {
                let text = Translation { name: name.clone(), description: description.clone() };
                Arc::make_mut(&mut self.translations).insert(language.clone(), text);
            }
            Event::TranslationRemoved { language } => {
                Arc::make_mut(&mut self.translations).remove(language);
            }
            Event::VariantAdded { variant, sku, name } => {
                let added =
                    Variant { sku: sku.clone(), name: name.clone(), prices: Arc::default() };
                self.variants.insert(*variant, added);
            }
            Event::PriceChanged { variant, list, to, .. } => {
                if let Some(variant) = self.variants.get_mut(variant) {
                    Arc::make_mut(&mut variant.prices).insert(*list, *to);
                }
            }
            Event::PriceRemoved { variant, list, .. } => {
                if let Some(variant) = self.variants.get_mut(variant) {
                    Arc::make_mut(&mut variant.prices).remove(list);
                }
            }
            Event::TaxRateChanged { to, .. } => self.tax_rate = *to,
            Event::ProductPublished {} => self.status = Status::Published,
            Event::ProductUnpublished {} => self.status = Status::Draft,
            Event::ProductArchived {} => self.status = Status::Archived,
        }
    }
}

//! A price list: what prices stand in. It says in which currency they are and whether tax is inside.
//!
//! This folder owns the name of a list and its terms. It has none of the prices: those stand with the
//! products, each with the terms of its list. So the terms never change once the list is there, and
//! what was sold at its prices stays true.
//!
//! Each currency has a default list, which is meant where no list is named. Its id follows from the
//! currency; whoever opens it first says its terms.

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::{AggregateId, PriceListId};
use crate::money::Currency;
use crate::tax::PriceMode;
use crate::text::InvalidText;

pub use questions::Questions;
pub use state::{State, Terms};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct PriceList;

pub const NAME_CHARACTERS_MAX: usize = 100;

/// The list of a currency that is meant where none is named.
pub fn default_list(currency: Currency) -> PriceListId {
    PriceListId(AggregateId::derived(&[b"price_list", currency.code().as_bytes()]).0)
}

/// What may be asked of a price list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    /// Opens it. Success too when it is there on the same terms, whatever its name became.
    Open {
        name: String,
        currency: Currency,
        mode: PriceMode,
    },
    Rename {
        name: String,
    },
}

/// What has happened to a price list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    PriceListOpened { name: String, currency: Currency, mode: PriceMode },
    PriceListRenamed { name: String },
}

impl DomainEvent for Event {}

/// Why a price list will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("no such price list")]
    NotFound,
    #[error("the price list is there, with {mode} prices in {currency}: that never changes")]
    OnOtherTerms { currency: Currency, mode: PriceMode },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "PRICE_LIST_NOT_FOUND",
            Self::OnOtherTerms { .. } => "PRICE_LIST_EXISTS",
            Self::InvalidText(_) => "INVALID_TEXT",
        }
    }
}

impl Aggregate for PriceList {
    const TYPE: &'static str = "price_list";
    const STATE_SCHEMA: u32 = 1;

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

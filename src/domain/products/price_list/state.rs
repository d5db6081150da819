//! The state of a price list, and how each event moves it. Nothing here decides.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::money::Currency;
use crate::tax::PriceMode;

/// What holds for every price of a list, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub currency: Currency,
    pub mode: PriceMode,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before it is opened.
    pub terms: Option<Terms>,
    pub name: String,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::PriceListOpened { name, currency, mode } => {
                self.terms = Some(Terms { currency: *currency, mode: *mode });
                self.name.clone_from(name);
            }
            Event::PriceListRenamed { name } => self.name.clone_from(name),
        }
    }
}

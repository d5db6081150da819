//! What a price list decides: that its terms are said once.

use super::{Command, Event, NAME_CHARACTERS_MAX, Refusal, State, Terms};
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    match (command, state.terms) {
        (Command::Open { name, currency, mode }, None) => {
            let (name, currency, mode) = (NAME.read(name)?, *currency, *mode);
            Ok(vec![Event::PriceListOpened { name, currency, mode }])
        }
        (Command::Open { currency, mode, .. }, Some(terms)) => {
            match terms == (Terms { currency: *currency, mode: *mode }) {
                true => Ok(Vec::new()),
                false => Err(Refusal::OnOtherTerms { currency: terms.currency, mode: terms.mode }),
            }
        }
        (Command::Rename { .. }, None) => Err(Refusal::NotFound),
        (Command::Rename { name }, Some(_)) => {
            let name = NAME.read(name)?;
            match name == state.name {
                true => Ok(Vec::new()),
                false => Ok(vec![Event::PriceListRenamed { name }]),
            }
        }
    }
}

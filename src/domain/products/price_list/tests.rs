//! Given / when / then for price lists.

use super::*;
use crate::testing::{Given, given, golden, uuid};

fn currency(code: &str) -> Currency {
    Currency::from_code(code).expect("a currency")
}

fn open(name: &str, code: &str, mode: PriceMode) -> Command {
    Command::Open { name: name.to_owned(), currency: currency(code), mode }
}

fn opened() -> Event {
    let (name, currency) = ("Shop window".to_owned(), currency("EUR"));
    Event::PriceListOpened { name, currency, mode: PriceMode::Gross }
}

fn rename(name: &str) -> Command {
    Command::Rename { name: name.to_owned() }
}

fn list(events: impl IntoIterator<Item = Event>) -> Given<PriceList> {
    given(AggregateId(uuid(9)), events)
}

#[test]
fn a_list_is_opened_once_and_keeps_its_terms() {
    let renamed = Event::PriceListRenamed { name: "Retail".to_owned() };
    let on_other_terms =
        Refusal::OnOtherTerms { currency: currency("EUR"), mode: PriceMode::Gross };
    list([])
        .when(rename("Retail"))
        .refused("PRICE_LIST_NOT_FOUND")
        .when(open(" ", "EUR", PriceMode::Gross))
        .refused("INVALID_TEXT")
        .when(open(" Shop window ", "EUR", PriceMode::Gross))
        .then([opened()])
        .when(open("Shop window", "EUR", PriceMode::Net))
        .refused_as(on_other_terms)
        .when(open("Shop window", "USD", PriceMode::Gross))
        .refused("PRICE_LIST_EXISTS")
        .when(rename("Retail"))
        .then([renamed])
        .when(rename(" Retail"))
        .then([])
        .when(rename(&"x".repeat(NAME_CHARACTERS_MAX + 1)))
        .refused("INVALID_TEXT")
        .when(open("Shop window", "EUR", PriceMode::Gross))
        .then([]);
}

#[test]
fn each_currency_has_one_default_list() {
    assert_eq!(default_list(currency("EUR")), default_list(currency("EUR")));
    assert_ne!(default_list(currency("EUR")), default_list(currency("USD")));
}

#[test]
fn stored_events_keep_their_shape() {
    let renamed = Event::PriceListRenamed { name: "Retail".to_owned() };
    golden(PriceList::TYPE, &[opened(), renamed]);
}

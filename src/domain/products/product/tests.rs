//! Given / when / then for products.

use super::*;
use crate::id::AggregateId;
use crate::money::{Currency, Money};
use crate::products::price_list::default_list;
use crate::tax::PriceMode;
use crate::testing::{Given, given, golden, uuid};

fn price(minor: i64, code: &str, mode: PriceMode) -> ListPrice {
    ListPrice { amount: Money::new(minor, Currency::from_code(code).expect("a currency")), mode }
}

fn net(minor: i64, code: &str) -> ListPrice {
    price(minor, code, PriceMode::Net)
}

/// The default list of a currency.
fn list(code: &str) -> PriceListId {
    default_list(Currency::from_code(code).expect("a currency"))
}

fn small() -> VariantId {
    VariantId(uuid(1))
}

fn created() -> Event {
    let (name, family) = ("Teapot".to_owned(), "kitchen".to_owned());
    Event::ProductCreated { name, family, description: "Holds tea.".to_owned() }
}

fn variant() -> Event {
    Event::VariantAdded { variant: small(), sku: "TEA-S".to_owned(), name: "small".to_owned() }
}

fn priced() -> Event {
    Event::PriceChanged { variant: small(), list: list("EUR"), from: None, to: net(1_999, "EUR") }
}

fn product(events: impl IntoIterator<Item = Event>) -> Given<Product> {
    given(AggregateId(uuid(9)), events)
}

fn add(number: u128, sku: &str, name: &str) -> Command {
    Command::AddVariant {
        variant: VariantId(uuid(number)),
        sku: sku.to_owned(),
        name: name.to_owned(),
    }
}

fn described(name: &str, family: &str, description: &str) -> (String, String, String) {
    (name.to_owned(), family.to_owned(), description.to_owned())
}

fn create(name: &str, family: &str, description: &str) -> Command {
    let (name, family, description) = described(name, family, description);
    Command::Create { name, family, description }
}

#[test]
fn a_product_is_created_once() {
    product([])
        .when(Command::Publish)
        .refused("PRODUCT_NOT_FOUND")
        .when(create("Teapot", "kitchen", "Holds tea."))
        .then([created()])
        .when(create("Teapot", "kitchen", "Holds tea."))
        .then([])
        .when(create("Kettle", "kitchen", "Boils water."))
        .refused("PRODUCT_EXISTS");
}

#[test]
fn texts_are_bounded() {
    let long = |characters: usize| "x".repeat(characters + 1);
    for command in [
        create("", "kitchen", ""),
        create("Tea\npot", "kitchen", ""),
        create(&long(NAME_CHARACTERS_MAX), "kitchen", ""),
        create("Teapot", &long(FAMILY_CHARACTERS_MAX), ""),
        create("Teapot", "kitchen", &long(DESCRIPTION_CHARACTERS_MAX)),
    ] {
        product([]).when(command).refused("INVALID_TEXT");
    }
    for sku in ["", "two words", "ümlaut", &long(SKU_CHARACTERS_MAX)] {
        product([created()]).when(add(1, sku, "small")).refused("INVALID_SKU");
    }
}

#[test]
fn a_revision_that_changes_nothing_is_not_recorded() {
    let revise = |name, family, text| {
        let (name, family, description) = described(name, family, text);
        Command::Revise { name, family, description }
    };
    let (name, family, description) = described("Pot", "kitchen", "Holds tea.");
    product([created()])
        .when(revise("Teapot", "kitchen", "Holds tea."))
        .then([])
        .when(revise("Pot", "kitchen", "Holds tea."))
        .then([Event::ProductRevised { name, family, description }]);
}

fn translate(language: &str, name: &str) -> Command {
    let (language, name, _) = described(language, name, "");
    Command::Translate { language, name, description: "Hält Tee.".to_owned() }
}

fn translated(language: &str, name: &str) -> Event {
    let (language, name, _) = described(language, name, "");
    Event::ProductTranslated { language, name, description: "Hält Tee.".to_owned() }
}

#[test]
fn it_is_described_in_several_languages_once_each() {
    let remove = |language: &str| Command::RemoveTranslation { language: language.to_owned() };
    product([created()])
        .when(translate("DE-at", "Teekanne"))
        .then([translated("de-AT", "Teekanne")])
        .when(translate("de-AT", " Teekanne "))
        .then([])
        .when(translate("de-at", "Kanne"))
        .then([translated("de-AT", "Kanne")])
        .when(translate("deutsch!", "Kanne"))
        .refused("INVALID_LANGUAGE")
        .when(translate("de", ""))
        .refused("INVALID_TEXT")
        .when(remove("de"))
        .then([])
        .when(remove("DE-AT"))
        .then([Event::TranslationRemoved { language: "de-AT".to_owned() }]);
    let tag = |number: usize| format!("x{}", char::from(b'a' + number as u8));
    let full = (0..TRANSLATIONS_MAX).map(|number| translated(&tag(number), "Teekanne"));
    product(std::iter::once(created()).chain(full))
        .when(translate("de", "Teekanne"))
        .refused("LIMIT_REACHED")
        .when(translate(&tag(0), "Kanne"))
        .then([translated(&tag(0), "Kanne")]);
    product([created(), Event::ProductArchived {}])
        .when(translate("de", "Teekanne"))
        .refused("INVALID_TRANSITION");
}

#[test]
fn variants_have_one_sku_each() {
    product([created()])
        .when(add(1, "TEA-S", "small"))
        .then([variant()])
        .when(add(1, "TEA-S", "small"))
        .then([])
        .when(add(1, "TEA-S", "tiny"))
        .refused("VARIANT_CONFLICT")
        .when(add(2, "TEA-S", "large"))
        .refused_as(Refusal::SkuTaken { sku: "TEA-S".to_owned() });
}

/// Sets a price in the default list of its currency.
fn set(variant: VariantId, price: ListPrice) -> Command {
    Command::SetPrice { variant, list: default_list(price.amount.currency), price }
}

#[test]
fn prices_are_kept_per_list_and_say_what_they_were() {
    let remove = |list| Command::RemovePrice { variant: small(), list };
    let item = product([created(), variant()])
        .when(set(small(), net(1_999, "EUR")))
        .then([priced()])
        .when(set(small(), net(1_999, "EUR")))
        .then([])
        .when(set(small(), net(300_000, "JPY")))
        .accepted()
        .when(set(small(), net(1_799, "EUR")))
        .then([Event::PriceChanged {
            variant: small(),
            list: list("EUR"),
            from: Some(net(1_999, "EUR")),
            to: net(1_799, "EUR"),
        }])
        .when(set(small(), net(-1, "EUR")))
        .refused("INVALID_PRICE")
        .when(set(small(), net(i64::MAX, "EUR")))
        .refused("INVALID_PRICE")
        .when(set(VariantId(uuid(2)), net(1, "EUR")))
        .refused("VARIANT_NOT_FOUND");
    let euros = list("EUR");
    let untaxed = |price: ListPrice| Some(price.taxed(Rate::ZERO));
    assert_eq!(item.state.price(small(), euros), None, "a draft is not for sale");
    let item = item.when(Command::Publish).accepted();
    assert_eq!(item.state.price(small(), euros), untaxed(net(1_799, "EUR")));
    let item = item.when(remove(euros)).accepted().when(remove(euros)).then([]);
    assert_eq!(item.state.price(small(), euros), None);
    item.when(remove(list("JPY"))).refused("PRICE_REQUIRED");
}

#[test]
fn two_lists_of_one_currency_have_a_price_each() {
    let window = PriceListId(uuid(7));
    let gross = price(1_500, "EUR", PriceMode::Gross);
    let item = product([created(), variant(), priced()])
        .when(Command::SetPrice { variant: small(), list: window, price: gross })
        .then([Event::PriceChanged { variant: small(), list: window, from: None, to: gross }])
        .when(Command::Publish)
        .accepted();
    assert_eq!(item.state.price(small(), window), Some(gross.taxed(Rate::ZERO)));
    let default = item.state.price(small(), list("EUR"));
    assert_eq!(default, Some(net(1_999, "EUR").taxed(Rate::ZERO)));
    let mut full = item;
    for number in 100..100 + PRICES_MAX as u128 - 2 {
        let list = PriceListId(uuid(number));
        let command = Command::SetPrice { variant: small(), list, price: gross };
        full = full.when(command).accepted();
    }
    let one_more = PriceListId(uuid(99));
    full.when(Command::SetPrice { variant: small(), list: one_more, price: gross })
        .refused("LIMIT_REACHED");
}

#[test]
fn what_can_grow_is_bounded() {
    let mut item = product([created()]);
    for number in 0..VARIANTS_MAX {
        item = item.when(add(number as u128, &format!("SKU-{number}"), "one")).accepted();
    }
    item.when(add(999, "SKU-999", "one")).refused("LIMIT_REACHED");
}

#[test]
fn the_life_of_a_product() {
    product([created(), variant()])
        .when(Command::Unpublish)
        .then([])
        .when(Command::Publish)
        .refused("PRICE_REQUIRED")
        .when(set(small(), net(1_999, "EUR")))
        .accepted()
        .when(Command::Publish)
        .then([Event::ProductPublished {}])
        .when(Command::Publish)
        .then([])
        .when(Command::Unpublish)
        .then([Event::ProductUnpublished {}])
        .when(Command::Archive)
        .then([Event::ProductArchived {}])
        .when(Command::Archive)
        .then([])
        .when(Command::Publish)
        .refused_as(Refusal::IllegalTransition {
            status: Status::Archived,
            command: "publish".into(),
        })
        .when(add(2, "TEA-L", "large"))
        .refused("INVALID_TRANSITION");
}

#[test]
fn the_tax_rate_is_a_share() {
    let rate = Rate::from_basis_points(1_900).expect("a rate");
    product([created()])
        .when(Command::SetTaxRate { rate })
        .then([Event::TaxRateChanged { from: Rate::ZERO, to: rate }])
        .when(Command::SetTaxRate { rate })
        .then([]);
}

fn samples() -> Vec<Event> {
    let (name, family, description) = described("Pot", "kitchen", "Holds\ntea.");
    vec![
        created(),
        Event::ProductRevised { name, family, description },
        translated("de", "Teekanne"),
        Event::TranslationRemoved { language: "de".to_owned() },
        variant(),
        Event::PriceChanged {
            variant: small(),
            list: list("EUR"),
            from: Some(net(1_999, "EUR")),
            to: net(1_799, "EUR"),
        },
        Event::PriceRemoved {
            variant: small(),
            list: PriceListId(uuid(7)),
            from: price(300_000, "JPY", PriceMode::Gross),
        },
        Event::TaxRateChanged {
            from: Rate::ZERO,
            to: Rate::from_millionths(88_750).expect("a rate"),
        },
        Event::ProductPublished {},
        Event::ProductUnpublished {},
        Event::ProductArchived {},
    ]
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Product::TYPE, &samples());
}

//! Given / when / then for products.

use super::*;
use crate::id::AggregateId;
use crate::testing::{Given, given, golden, uuid};

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, Currency::from_code(code).expect("a currency"))
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
    Event::PriceChanged { variant: small(), from: None, to: money(1_999, "EUR") }
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

#[test]
fn prices_are_kept_per_currency_and_say_what_they_were() {
    let set = |price| Command::SetPrice { variant: small(), price };
    let item = product([created(), variant()])
        .when(set(money(1_999, "EUR")))
        .then([priced()])
        .when(set(money(1_999, "EUR")))
        .then([])
        .when(set(money(300_000, "JPY")))
        .accepted()
        .when(set(money(1_799, "EUR")))
        .then([Event::PriceChanged {
            variant: small(),
            from: Some(money(1_999, "EUR")),
            to: money(1_799, "EUR"),
        }])
        .when(set(money(-1, "EUR")))
        .refused("INVALID_PRICE")
        .when(set(money(i64::MAX, "EUR")))
        .refused("INVALID_PRICE")
        .when(Command::SetPrice { variant: VariantId(uuid(2)), price: money(1, "EUR") })
        .refused("VARIANT_NOT_FOUND");
    let euro = money(0, "EUR").currency;
    assert_eq!(item.state.list_price(small(), euro), None, "a draft is not for sale");
    let item = item.when(Command::Publish).accepted();
    assert_eq!(item.state.list_price(small(), euro), Some(money(1_799, "EUR")));
    let item = item.when(Command::RemovePrice { variant: small(), currency: euro }).accepted();
    assert_eq!(item.state.list_price(small(), euro), None);
    let yen = money(0, "JPY").currency;
    item.when(Command::RemovePrice { variant: small(), currency: yen }).refused("PRICE_REQUIRED");
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
        .when(Command::SetPrice { variant: small(), price: money(1_999, "EUR") })
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
        variant(),
        Event::PriceChanged {
            variant: small(),
            from: Some(money(1_999, "EUR")),
            to: money(1_799, "EUR"),
        },
        Event::PriceRemoved { variant: small(), from: money(300_000, "JPY") },
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

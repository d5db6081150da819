//! A product: what is sold, in which variants, at which list prices and tax rate.
//!
//! This file owns names, variants and prices. It knows no stock, and it does not say what an
//! order costs: an order freezes the prices that it found.
//!
//! ```text
//! Draft <-> Published        Draft, Published -> Archived (for ever)
//! ```

use std::fmt;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::id::VariantId;
use crate::money::{Currency, Money, Rate};
use crate::text::{InvalidText, TextRule};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Product;

/// The most variants of one product.
pub const VARIANTS_MAX: usize = 250;
/// The most currencies in which one variant has a price.
pub const PRICES_MAX: usize = 50;
/// The highest list price, in minor units.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;
pub const NAME_CHARACTERS_MAX: usize = 200;
pub const FAMILY_CHARACTERS_MAX: usize = 64;
pub const DESCRIPTION_CHARACTERS_MAX: usize = 10_000;
/// A stock keeping unit's name: this many visible ASCII characters at most.
pub const SKU_CHARACTERS_MAX: usize = 64;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const FAMILY: TextRule = TextRule::line("family", FAMILY_CHARACTERS_MAX);
const DESCRIPTION: TextRule = TextRule::prose("description", DESCRIPTION_CHARACTERS_MAX);

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
    /// The net list price of one unit in each currency; at most [`PRICES_MAX`].
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
    /// At most [`VARIANTS_MAX`].
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
}

/// What may be asked of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    Create {
        name: String,
        family: String,
        description: String,
    },
    /// Changes how the product is described.
    Revise {
        name: String,
        family: String,
        description: String,
    },
    /// Success too when the variant is there already, exactly so.
    AddVariant {
        variant: VariantId,
        sku: String,
        name: String,
    },
    /// Sets or changes the net list price of a variant in the currency of `price`.
    SetPrice {
        variant: VariantId,
        price: Money,
    },
    /// Ends the sale of a variant in a currency.
    RemovePrice {
        variant: VariantId,
        currency: Currency,
    },
    SetTaxRate {
        rate: Rate,
    },
    /// Needs a variant with a price.
    Publish,
    Unpublish,
    Archive,
}

/// What has happened to a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    ProductCreated { name: String, family: String, description: String },
    ProductRevised { name: String, family: String, description: String },
    VariantAdded { variant: VariantId, sku: String, name: String },
    PriceChanged { variant: VariantId, from: Option<Money>, to: Money },
    PriceRemoved { variant: VariantId, from: Money },
    TaxRateChanged { from: Rate, to: Rate },
    ProductPublished {},
    ProductUnpublished {},
    ProductArchived {},
}

impl DomainEvent for Event {}

/// Why a product will not.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("no such product")]
    NotFound,
    #[error("the product exists, with other particulars")]
    AlreadyExists,
    #[error("a product that is {status} does not {command}")]
    IllegalTransition { status: Status, command: &'static str },
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("a sku is 1 to {max} visible ASCII characters without spaces")]
    InvalidSku { max: usize },
    #[error("the sku {sku} is taken by another variant")]
    SkuTaken { sku: String },
    #[error("the variant exists, with other particulars")]
    VariantConflict,
    #[error("no such variant")]
    VariantNotFound,
    #[error("a price is between 0 and {max} minor units")]
    InvalidPrice { max: i64 },
    #[error("nothing to publish: no variant has a price")]
    NothingToSell,
    #[error("a published product keeps at least one price")]
    LastPrice,
    #[error("too many variants or prices: at most {max}")]
    TooMany { max: usize },
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "PRODUCT_NOT_FOUND",
            Self::AlreadyExists => "PRODUCT_EXISTS",
            Self::IllegalTransition { .. } => "ILLEGAL_TRANSITION",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::InvalidSku { .. } => "INVALID_SKU",
            Self::SkuTaken { .. } => "SKU_TAKEN",
            Self::VariantConflict => "VARIANT_CONFLICT",
            Self::VariantNotFound => "VARIANT_NOT_FOUND",
            Self::InvalidPrice { .. } => "INVALID_PRICE",
            Self::NothingToSell => "NOTHING_TO_SELL",
            Self::LastPrice => "LAST_PRICE",
            Self::TooMany { .. } => "LIMIT_REACHED",
        }
    }
}

impl Aggregate for Product {
    const TYPE: &'static str = "product";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, command: &Command, _: &Context) -> Result<Vec<Event>, Refusal> {
        if let Command::Create { name, family, description } = command {
            return create(state, name, family, description);
        }
        if !state.created {
            return Err(Refusal::NotFound);
        }
        if state.status == Status::Archived && !matches!(command, Command::Archive) {
            return Err(Refusal::IllegalTransition {
                status: state.status,
                command: command.name(),
            });
        }
        match command {
            Command::Create { .. } => Ok(Vec::new()),
            Command::Revise { name, family, description } => {
                revise(state, name, family, description)
            }
            Command::AddVariant { variant, sku, name } => add_variant(state, *variant, sku, name),
            Command::SetPrice { variant, price } => set_price(state, *variant, *price),
            Command::RemovePrice { variant, currency } => remove_price(state, *variant, *currency),
            Command::SetTaxRate { rate } if *rate == state.tax_rate => Ok(Vec::new()),
            Command::SetTaxRate { rate } => {
                Ok(vec![Event::TaxRateChanged { from: state.tax_rate, to: *rate }])
            }
            Command::Publish => publish(state),
            Command::Unpublish if state.status == Status::Draft => Ok(Vec::new()),
            Command::Unpublish => Ok(vec![Event::ProductUnpublished {}]),
            Command::Archive if state.status == Status::Archived => Ok(Vec::new()),
            Command::Archive => Ok(vec![Event::ProductArchived {}]),
        }
    }

    fn apply(state: &mut State, event: &Event) {
        match event {
            Event::ProductCreated { name, family, description }
            | Event::ProductRevised { name, family, description } => {
                state.created = true;
                state.name.clone_from(name);
                state.family.clone_from(family);
                state.description.clone_from(description);
            }
            Event::VariantAdded { variant, sku, name } => {
                let added = Variant { sku: sku.clone(), name: name.clone(), prices: OrdMap::new() };
                state.variants.insert(*variant, added);
            }
            Event::PriceChanged { variant, to, .. } => {
                if let Some(variant) = state.variants.get_mut(variant) {
                    variant.prices.insert(to.currency, *to);
                }
            }
            Event::PriceRemoved { variant, from } => {
                if let Some(variant) = state.variants.get_mut(variant) {
                    variant.prices.remove(&from.currency);
                }
            }
            Event::TaxRateChanged { to, .. } => state.tax_rate = *to,
            Event::ProductPublished {} => state.status = Status::Published,
            Event::ProductUnpublished {} => state.status = Status::Draft,
            Event::ProductArchived {} => state.status = Status::Archived,
        }
    }
}

impl Command {
    /// How refusals call it.
    fn name(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Revise { .. } => "revise",
            Self::AddVariant { .. } => "add variants",
            Self::SetPrice { .. } => "set prices",
            Self::RemovePrice { .. } => "remove prices",
            Self::SetTaxRate { .. } => "set its tax rate",
            Self::Publish => "publish",
            Self::Unpublish => "unpublish",
            Self::Archive => "archive",
        }
    }
}

fn create(
    state: &State,
    name: &str,
    family: &str,
    description: &str,
) -> Result<Vec<Event>, Refusal> {
    if state.created {
        return match described_so(state, name, family, description) {
            true => Ok(Vec::new()),
            false => Err(Refusal::AlreadyExists),
        };
    }
    check_description(name, family, description)?;
    let (name, family, description) = (name.to_owned(), family.to_owned(), description.to_owned());
    Ok(vec![Event::ProductCreated { name, family, description }])
}

fn revise(
    state: &State,
    name: &str,
    family: &str,
    description: &str,
) -> Result<Vec<Event>, Refusal> {
    check_description(name, family, description)?;
    if described_so(state, name, family, description) {
        return Ok(Vec::new());
    }
    let (name, family, description) = (name.to_owned(), family.to_owned(), description.to_owned());
    Ok(vec![Event::ProductRevised { name, family, description }])
}

fn check_description(name: &str, family: &str, description: &str) -> Result<(), InvalidText> {
    NAME.check(name)?;
    FAMILY.check(family)?;
    DESCRIPTION.check(description)
}

fn described_so(state: &State, name: &str, family: &str, description: &str) -> bool {
    state.name == name && state.family == family && state.description == description
}

fn add_variant(state: &State, id: VariantId, sku: &str, name: &str) -> Result<Vec<Event>, Refusal> {
    let visible = sku.bytes().all(|byte| byte.is_ascii_graphic());
    if sku.is_empty() || sku.len() > SKU_CHARACTERS_MAX || !visible {
        return Err(Refusal::InvalidSku { max: SKU_CHARACTERS_MAX });
    }
    NAME.check(name)?;
    if let Some(variant) = state.variants.get(&id) {
        return match variant.sku == sku && variant.name == name {
            true => Ok(Vec::new()),
            false => Err(Refusal::VariantConflict),
        };
    }
    if state.variants.values().any(|variant| variant.sku == sku) {
        return Err(Refusal::SkuTaken { sku: sku.to_owned() });
    }
    if state.variants.len() >= VARIANTS_MAX {
        return Err(Refusal::TooMany { max: VARIANTS_MAX });
    }
    Ok(vec![Event::VariantAdded { variant: id, sku: sku.to_owned(), name: name.to_owned() }])
}

fn set_price(state: &State, id: VariantId, price: Money) -> Result<Vec<Event>, Refusal> {
    if !(0..=PRICE_MINOR_MAX).contains(&price.minor) {
        return Err(Refusal::InvalidPrice { max: PRICE_MINOR_MAX });
    }
    let variant = state.variants.get(&id).ok_or(Refusal::VariantNotFound)?;
    let from = variant.prices.get(&price.currency).copied();
    if from == Some(price) {
        return Ok(Vec::new());
    }
    if from.is_none() && variant.prices.len() >= PRICES_MAX {
        return Err(Refusal::TooMany { max: PRICES_MAX });
    }
    Ok(vec![Event::PriceChanged { variant: id, from, to: price }])
}

fn remove_price(state: &State, id: VariantId, currency: Currency) -> Result<Vec<Event>, Refusal> {
    let variant = state.variants.get(&id).ok_or(Refusal::VariantNotFound)?;
    let Some(from) = variant.prices.get(&currency) else {
        return Ok(Vec::new());
    };
    if state.status == Status::Published && prices(state) == 1 {
        return Err(Refusal::LastPrice);
    }
    Ok(vec![Event::PriceRemoved { variant: id, from: *from }])
}

fn publish(state: &State) -> Result<Vec<Event>, Refusal> {
    match state.status {
        Status::Published => Ok(Vec::new()),
        _ if prices(state) == 0 => Err(Refusal::NothingToSell),
        _ => Ok(vec![Event::ProductPublished {}]),
    }
}

fn prices(state: &State) -> usize {
    state.variants.values().map(|variant| variant.prices.len()).sum()
}

#[cfg(test)]
mod tests {
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
        item.when(Command::RemovePrice { variant: small(), currency: yen }).refused("LAST_PRICE");
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
            .refused("NOTHING_TO_SELL")
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
            .refused_as(Refusal::IllegalTransition { status: Status::Archived, command: "publish" })
            .when(add(2, "TEA-L", "large"))
            .refused("ILLEGAL_TRANSITION");
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
}

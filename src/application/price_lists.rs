//! Price lists, and the prices that stand in them. The list says the terms, the product keeps the
//! price: this file brings both together, so that no price stands where there is no list.

use std::fmt;

use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::aggregate::{self, Aggregate, Context};
use domain::id::{AggregateId, PriceListId, VariantId};
use domain::money::{Currency, Money, MoneyError};
use domain::products::price_list::{self, PriceList, Terms, default_list};
use domain::products::product::{self, Command, ListPrice, Product};
use domain::question::Whole;
use domain::tax::PriceMode;

/// Which list somebody means: by its id, or the default one of a currency. Where both are said, they
/// must agree.
#[derive(Clone, Copy, Debug)]
pub struct WantedList {
    pub list: Option<PriceListId>,
    pub currency: Option<Currency>,
}

/// Why a list is not opened or found, or a price not set.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    List(price_list::Refusal),
    Product(product::Refusal),
    /// The list is in another currency.
    Money(MoneyError),
    /// Neither a list nor a currency.
    Unsaid,
}

impl From<price_list::Refusal> for Refusal {
    fn from(refusal: price_list::Refusal) -> Self {
        Self::List(refusal)
    }
}

impl From<product::Refusal> for Refusal {
    fn from(refusal: product::Refusal) -> Self {
        Self::Product(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::List(refusal) => refusal.fmt(formatter),
            Self::Product(refusal) => refusal.fmt(formatter),
            Self::Money(error) => error.fmt(formatter),
            Self::Unsaid => formatter.write_str("a currency or a price list must be said"),
        }
    }
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::List(refusal) => refusal.code(),
            Self::Product(refusal) => refusal.code(),
            Self::Money(error) => error.code(),
            Self::Unsaid => "PRICE_LIST_REQUIRED",
        }
    }
}

/// Opens a list: the default one of its currency, or another, whose id follows from the key.
pub async fn open(
    request: &Request<'_>,
    name: String,
    terms: Terms,
    is_default: bool,
) -> Result<(AggregateId, Committed), AskError<price_list::Refusal>> {
    let id = match is_default {
        true => AggregateId(default_list(terms.currency).0),
        false => request.new_id::<PriceList>("openPriceList").await?,
    };
    let Terms { currency, mode } = terms;
    let command = price_list::Command::Open { name, currency, mode };
    Ok((id, request.send::<PriceList>(id, command).await?))
}

/// Which list is meant, and its currency. Asks the list only where it is named.
pub async fn find(
    request: &Request<'_>,
    wanted: WantedList,
) -> Result<(PriceListId, Currency), AskError<Refusal>> {
    let list = match (wanted.list, wanted.currency) {
        (Some(list), _) => list,
        (None, Some(currency)) => return Ok((default_list(currency), currency)),
        (None, None) => return Err(AskError::Refused(Refusal::Unsaid)),
    };
    let found = terms(request, list).await?.ok_or(price_list::Refusal::NotFound);
    let Terms { currency, .. } = found.map_err(|refusal| AskError::Refused(refusal.into()))?;
    agree(currency, wanted.currency.unwrap_or(currency)).map_err(AskError::Refused)?;
    Ok((list, currency))
}

/// Sets the price of a variant in a list, or in the default one of its currency. That one is opened
/// with net prices where this is the first of them.
pub async fn set_price(
    request: &Request<'_>,
    product: AggregateId,
    variant: VariantId,
    list: Option<PriceListId>,
    amount: Money,
) -> Outcome<Refusal> {
    let id = list.unwrap_or_else(|| default_list(amount.currency));
    let priced = |mode| Command::SetPrice { variant, list: id, price: ListPrice { amount, mode } };
    let mode = match (terms(request, id).await?, list) {
        (Some(terms), _) => {
            agree(terms.currency, amount.currency).map_err(AskError::Refused)?;
            terms.mode
        }
        (None, Some(_)) => return Err(AskError::Refused(price_list::Refusal::NotFound.into())),
        (None, None) => {
            would_take(request, product, &priced(PriceMode::Net)).await?;
            open_default(request, amount.currency).await?
        }
    };
    request.send::<Product>(product, priced(mode)).await.map_err(refused_as)
}

/// Ends the sale of a variant at the prices of a list.
pub async fn remove_price(
    request: &Request<'_>,
    product: AggregateId,
    variant: VariantId,
    wanted: WantedList,
) -> Outcome<Refusal> {
    let (list, _) = find(request, wanted).await?;
    let command = Command::RemovePrice { variant, list };
    request.send::<Product>(product, command).await.map_err(refused_as)
}

async fn terms(request: &Request<'_>, list: PriceListId) -> Result<Option<Terms>, Fault> {
    let list = request.aggregate::<PriceList>(AggregateId(list.0));
    Ok(list.read(&Whole).await?.answer.terms)
}

fn agree(expected: Currency, found: Currency) -> Result<(), Refusal> {
    match expected == found {
        true => Ok(()),
        false => Err(Refusal::Money(MoneyError::CurrencyMismatch { expected, found })),
    }
}

/// Refuses what the product would refuse: a refusal changes nothing, and so opens no list.
async fn would_take(
    request: &Request<'_>,
    product: AggregateId,
    command: &Command,
) -> Result<(), AskError<Refusal>> {
    let meta = request.meta();
    let reading = request.aggregate::<Product>(product).read(&Whole).await?;
    let actual = reading.version;
    if let Some(expected) = meta.expected_version.filter(|expected| *expected != actual) {
        return Err(Fault::VersionConflict { expected, actual }.into());
    }
    let context = Context {
        now: reading.at,
        command_id: meta.command_id,
        principal: meta.principal,
        aggregate_id: product,
        version: actual,
    };
    let decided = Product::decide(&reading.answer, command, &context);
    decided.map(|_| ()).map_err(|refusal| AskError::Refused(refusal.into()))
}

/// The default list of a currency, opened unless somebody was faster: then with their mode.
async fn open_default(
    request: &Request<'_>,
    currency: Currency,
) -> Result<PriceMode, AskError<Refusal>> {
    let (name, mode) = (currency.code().to_owned(), PriceMode::Net);
    let command = price_list::Command::Open { name, currency, mode };
    let id = AggregateId(default_list(currency).0);
    match request.step::<PriceList>(id, command, None).await {
        Ok(_) => Ok(mode),
        Err(AskError::Refused(price_list::Refusal::OnOtherTerms { mode, .. })) => Ok(mode),
        Err(error) => Err(refused_as(error)),
    }
}

//! Stock that is new at a location, which is asked first whether it takes anything in, and stock that
//! leaves: of a hold that somebody made by hand, or of an order.

use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::AskError;
use domain::commerce::order::{self, Order};
use domain::id::{AggregateId, HoldId, LocationId, VariantId};
use domain::products::location::{self, Location, Standing, Status};
use domain::products::stock_item::{self, Command, OneHold, StockItem, stock_item_id};
use domain::question::Whole;

/// Why nothing is done with the stock.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Stock(stock_item::Refusal),
    Location(location::Refusal),
}

impl From<stock_item::Refusal> for Refusal {
    fn from(refusal: stock_item::Refusal) -> Self {
        Self::Stock(refusal)
    }
}

/// Begins to keep stock of a variant at a location that is there and not closed. What is kept is kept,
/// whatever became of its location.
pub async fn open(
    request: &Request<'_>,
    variant: VariantId,
    location: LocationId,
) -> Outcome<Refusal> {
    let item = stock_item_id(variant, location);
    let standing = request.aggregate::<Location>(AggregateId(location.0)).read(&Standing).await?;
    let refusal = match standing.answer {
        Some(Status::Active) => None,
        Some(Status::Closed) => Some(location::Refusal::Closed),
        None => Some(location::Refusal::NotFound),
    };
    if let Some(refusal) = refusal
        && !request.aggregate::<StockItem>(item).read(&stock_item::IsOpen).await?.answer
    {
        return Err(AskError::Refused(Refusal::Location(refusal)));
    }
    let command = Command::Open { variant, location };
    request.send::<StockItem>(item, command).await.map_err(refused_as)
}

/// Does what brings something new to a location, goods or promises: not where that is closed, unless an
/// earlier try did it.
pub async fn anew(
    request: &Request<'_>,
    variant: VariantId,
    location: LocationId,
    command: Command,
) -> Outcome<Refusal> {
    let item = stock_item_id(variant, location);
    if is_closed(request, location) {
        let earlier = request.outcome_of::<StockItem>(item, &command).await?;
        let refusal = Refusal::Location(location::Refusal::Closed);
        return earlier.ok_or(AskError::Refused(refusal));
    }
    request.send::<StockItem>(item, command).await.map_err(refused_as)
}

/// Whether a location takes in nothing now, as far as this node has heard.
pub(crate) fn is_closed(request: &Request<'_>, location: LocationId) -> bool {
    request.application.views.closed_locations.rows().contains(location)
}

/// The goods of a committed hold left. What is held for an order leaves once that is confirmed: until
/// then its checkout may take it back.
pub async fn ship(
    request: &Request<'_>,
    item: AggregateId,
    hold: HoldId,
) -> Outcome<stock_item::Refusal> {
    let held = request.aggregate::<StockItem>(item).read(&OneHold(hold)).await?.answer;
    let order = held.and_then(|held| held.order);
    if let Some(order) = order {
        let status = request.aggregate::<Order>(order).read(&Whole).await?.answer.status;
        // Who is confirmed stays so.
        if !matches!(status, order::Status::Confirmed | order::Status::Completed) {
            return Err(AskError::Refused(stock_item::Refusal::HoldOfOrder { order }));
        }
    }
    let command = Command::Ship { hold, order };
    request.send_for::<StockItem>(item, command, &("shipHold", hold)).await
}

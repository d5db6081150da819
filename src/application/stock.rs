//! Stock that leaves: of a hold that somebody made by hand, or of an order.

use crate::request::{Outcome, Request};
use actors::aggregate_ref::AskError;
use domain::commerce::order::{self, Order};
use domain::id::{AggregateId, HoldId};
use domain::products::stock_item::{Command, OneHold, Refusal, StockItem};
use domain::question::Whole;

/// The goods of a committed hold left. What is held for an order leaves once that is confirmed: until
/// then its checkout may take it back.
pub async fn ship(request: &Request<'_>, item: AggregateId, hold: HoldId) -> Outcome<Refusal> {
    let held = request.aggregate::<StockItem>(item).read(&OneHold(hold)).await?.answer;
    let order = held.and_then(|held| held.order);
    if let Some(order) = order {
        let status = request.aggregate::<Order>(order).read(&Whole).await?.answer.status;
        // Who is confirmed stays so.
        if !matches!(status, order::Status::Confirmed | order::Status::Completed) {
            return Err(AskError::Refused(Refusal::HoldOfOrder { order }));
        }
    }
    let command = Command::Ship { hold, order };
    request.send_for::<StockItem>(item, command, &("shipHold", hold)).await
}

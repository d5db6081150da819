//! A small shop for tests of the checkout: one location, variants with stock, orders of guests.

use emporium::actors::aggregate_ref::Engine;
use emporium::domain::commerce::order::{self, Line, Order};
use emporium::domain::id::{AggregateId, LocationId, VariantId};
use emporium::domain::money::{Currency, Money, Rate};
use emporium::domain::products::price_list::default_list;
use emporium::domain::products::stock_item::{self, Overview, StockItem, stock_item_id};
use emporium::domain::question::Whole;
use emporium::domain::tax::{PriceMode, UnitPrice};
use emporium::projections::position::Position;
use emporium::sagas::checkout::{Checkout, Phase, checkout_id, payment_reference};
use emporium::supervisors::services::Followers;
use uuid::Uuid;

use crate::support::life::{Life, done, position};
use crate::support::person::guest;

pub const HERE: LocationId = LocationId(Uuid::from_u128(2));

pub fn variant(number: u128) -> VariantId {
    VariantId(Uuid::from_u128(number))
}

pub fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").expect("a currency"))
}

/// Puts so many units of a variant on the shelf.
pub async fn stock(engine: &Engine, number: u128, quantity: i64) {
    let (variant, location) = (variant(number), HERE);
    let id = stock_item_id(variant, location);
    done::<StockItem>(engine, id, stock_item::Command::Open { variant, location }).await;
    if quantity > 0 {
        done::<StockItem>(engine, id, stock_item::Command::Receive { quantity }).await;
    }
}

/// A draft of one line a variant, each of one unit; the first costs `minor`, the others nothing.
pub async fn draft(engine: &Engine, variants: &[u128], minor: i64) -> AggregateId {
    let id = engine.new_id();
    let buyer = guest(engine, &format!("{id}@example.org")).await;
    let currency = euro(0).currency;
    let (price_list, lines) = (default_list(currency), Vec::new());
    let owner = buyer.owner();
    let draft = order::Command::Draft { buyer, owner, currency, price_list, lines };
    done::<Order>(engine, id, draft).await;
    for (place, number) in variants.iter().enumerate() {
        let amount = euro(if place == 0 { minor } else { 0 });
        let line = order::Command::AddLine(Line {
            product: AggregateId(Uuid::from_u128(1)),
            variant: variant(*number),
            location: HERE,
            quantity: 1,
            name: "Teapot".to_owned(),
            price: UnitPrice { amount, mode: PriceMode::Net, tax_rate: Rate::ZERO },
        });
        done::<Order>(engine, id, line).await;
    }
    id
}

pub async fn place(engine: &Engine, order: AggregateId) -> Position {
    position(done::<Order>(engine, order, order::Command::Place).await)
}

/// Waits until nothing of an order's checkout is left to do.
pub async fn over(followers: &Followers, order: AggregateId, since: &Position) {
    let open = &followers.views().open_checkouts;
    open.reached(since).await;
    let mut changes = open.changes();
    while open.rows().get(checkout_id(order)).is_some() {
        changes.changed().await.expect("the view is here");
    }
}

/// How a checkout ended, as its order, its stock and its own log have it.
#[derive(Debug, PartialEq)]
pub struct End {
    pub order: order::Status,
    pub phase: Phase,
    pub reason: Option<String>,
}

pub fn confirmed() -> End {
    End { order: order::Status::Confirmed, phase: Phase::Completed, reason: None }
}

pub fn cancelled(reason: &str) -> End {
    let (order, phase) = (order::Status::Cancelled, Phase::Compensated);
    End { order, phase, reason: Some(reason.to_owned()) }
}

pub async fn end(engine: &Engine, id: AggregateId) -> End {
    let order = engine.aggregate::<Order>(id).read(&Whole).await.expect("the order can be read");
    let checkout = engine.aggregate::<Checkout>(checkout_id(id)).read(&Whole).await;
    let checkout = checkout.expect("the checkout can be read");
    End {
        order: order.answer.status,
        phase: checkout.answer.phase,
        reason: order.answer.cancelled_because,
    }
}

/// What is on the shelf, held and promised of a variant.
pub async fn counts(engine: &Engine, number: u128) -> (i64, i64, i64) {
    let item = engine.aggregate::<StockItem>(stock_item_id(variant(number), HERE));
    let shelf = item.read(&Overview::default()).await.expect("the stock can be read").answer;
    (shelf.on_hand, shelf.held, shelf.committed)
}

/// Places an order, waits for its end and says it, with the reference of its payment.
pub fn checked_out(life: &Life, variants: &[u128], minor: i64) -> (End, String) {
    life.run("the end of a checkout", async {
        let order = draft(&life.engine, variants, minor).await;
        let placed = place(&life.engine, order).await;
        over(&life.followers, order, &placed).await;
        (end(&life.engine, order).await, payment_reference(order))
    })
}

//! Views on a running node: what was written is read, restarts count nothing twice, and a view is
//! what its log says.

mod deaths;
mod held_up;
mod jobs;
mod outgoing;
mod owners;
mod parking;
mod rebuilds;
mod replays;
mod replicas;
mod retention;
mod search;
mod split;
mod stocked;
mod tables;
mod timers;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::{SubsecRound, TimeDelta, Utc};
use emporium::actors::aggregate_ref::Fault;
use emporium::domain::access::user::{self, User};
use emporium::domain::commerce::order::{self, Buyer, Line, Order};
use emporium::domain::id::{AggregateId, LocationId, VariantId};
use emporium::domain::money::{Currency, Money, Rate};
use emporium::domain::products::location::{self, Location};
use emporium::domain::products::price_list::default_list;
use emporium::domain::products::product::{self, ListPrice, Product};
use emporium::domain::products::stock_item::{self, StockItem, stock_item_id};
use emporium::domain::scheduling::agenda::EventId;
use emporium::domain::scheduling::calendar::{
    self, Availability, Calendar, EndRequest, TimingRequest,
};
use emporium::domain::scheduling::local_time::{Length, NonexistentTime};
use emporium::domain::tax::{PriceMode, UnitPrice};
use emporium::payments::test_provider::TestProvider;
use emporium::persistence::snapshots::Reach;
use emporium::projections::Projection;
use emporium::projections::open_sagas::OpenSagas;
use emporium::projections::plan::Slice;
use emporium::projections::position::Position;
use emporium::projections::tables::orders::Orders;
use emporium::sagas::checkout::Checkout;
use uuid::Uuid;

use crate::support::life::{Life, World, position};
use crate::support::person::{email_of, guest, name_of};

fn world() -> World {
    World::new(Arc::new(TestProvider::default()))
}

fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").expect("a currency"))
}

/// An order without lines.
fn draft_of(buyer: Buyer) -> order::Command {
    let currency = euro(0).currency;
    let (price_list, lines) = (default_list(currency), Vec::new());
    let owner = buyer.owner();
    order::Command::Draft { buyer, owner, currency, price_list, lines }
}

/// A user of that name.
async fn registered(life: &Life, name: &str) -> AggregateId {
    let person = life.engine.new_id();
    let register = user::Command::Register {
        email: email_of(&life.engine, person, &format!("{name}@example.com")).await,
        reservation: Utc::now().trunc_subsecs(6) + TimeDelta::minutes(5),
        display_name: name_of(&life.engine, person, name).await,
        locale: "en".to_owned(),
    };
    life.done::<User>(person, register).await;
    person
}

fn close() -> user::Command {
    user::Command::Close { reason: "asked for it".to_owned() }
}

/// A product, its stock, a user, a calendar and orders in several states, numbered `round`.
async fn trade(life: &Life, round: u32) {
    let product = life.engine.new_id();
    let (variant, location) = (VariantId(Uuid::now_v7()), LocationId(Uuid::from_u128(7)));
    let create = product::Command::Create {
        name: format!("Teapot {round}"),
        family: "Tea".to_owned(),
        description: "Holds a litre.".to_owned(),
    };
    life.done::<Product>(product, create).await;
    let (sku, name) = (format!("TEA-{round}"), "blue".to_owned());
    life.done::<Product>(product, product::Command::AddVariant { variant, sku, name }).await;
    let list = default_list(euro(0).currency);
    let price = ListPrice { amount: euro(1_900), mode: PriceMode::Net };
    let price = product::Command::SetPrice { variant, list, price };
    life.done::<Product>(product, price).await;
    life.done::<Product>(product, product::Command::Publish).await;
    let depot = life.engine.new_id();
    let (name, address) = (format!("Depot {round}"), String::new());
    let kind = location::Kind::Warehouse;
    let create = location::Command::Create { name, kind, zone: "UTC".to_owned(), address };
    life.done::<Location>(depot, create).await;
    life.done::<Location>(depot, location::Command::Close {}).await;
    let stock = stock_item_id(variant, location);
    life.done::<StockItem>(stock, stock_item::Command::Open { variant, location }).await;
    life.done::<StockItem>(stock, stock_item::Command::Receive { quantity: 5 }).await;
    let person = registered(life, &format!("u{round}")).await;
    if round.is_multiple_of(2) {
        life.done::<User>(person, close()).await;
    }
    let create = calendar::Command::CreateCalendar {
        name: format!("Bay {round}"),
        zone: "Europe/Berlin".to_owned(),
        availability: Availability::Exclusive {},
        within_opening_hours: false,
        owner: None,
    };
    let bay = life.engine.new_id();
    life.done::<Calendar>(bay, create).await;
    let (event_id, title) = (EventId(Uuid::now_v7()), format!("Fitting {round}"));
    let timing = TimingRequest {
        start: "2026-03-02T09:00".parse().expect("a local time"),
        end: EndRequest::Length(Length::minutes(60)),
        nonexistent: NonexistentTime::default(),
        recurrence: None,
    };
    life.done::<Calendar>(bay, calendar::Command::ScheduleEvent { event_id, title, timing }).await;
    let cancel = calendar::Command::CancelEvent { event_id };
    if round.is_multiple_of(2) {
        life.done::<Calendar>(bay, cancel).await;
    }
    for last in [order::Command::Place, order::Command::Expire] {
        let id = life.engine.new_id();
        let buyer = guest(&life.engine, "ann@example.org").await;
        life.done::<Order>(id, draft_of(buyer)).await;
        let line = order::Command::AddLine(Line {
            product: AggregateId(Uuid::from_u128(1)),
            variant,
            location,
            quantity: 2,
            name: "Teapot".to_owned(),
            price: UnitPrice { amount: euro(1_900), mode: PriceMode::Net, tax_rate: Rate::ZERO },
        });
        life.done::<Order>(id, line).await;
        life.done::<Order>(id, last).await;
    }
}

/// Waits until no checkout is open and every view has read everything.
async fn quiet(life: &Life) {
    let open = &life.followers.views().open_checkouts;
    life.followers.caught_up().await;
    let mut changes = open.changes();
    while !open.rows().is_empty() {
        changes.changed().await.expect("the view is here");
    }
    life.followers.caught_up().await;
}

/// A view as its whole log gives it, read from the first entry on.
async fn rebuilt<P: Projection>(life: &Life) -> P {
    let mut view = P::default();
    tables::everything(life, |_, place, fact| view.apply(place, &fact)).await;
    view
}

#[test]
fn what_was_written_is_read_at_its_position() {
    let world = world();
    let life = world.begin();
    life.run("fifty drafts", async {
        for number in 1..=50 {
            let id = life.engine.new_id();
            let buyer = guest(&life.engine, "ann@example.org").await;
            let written = position(life.done::<Order>(id, draft_of(buyer)).await);
            let orders = &life.followers.views().orders;
            let newest = Slice { rows: 1, ..tables::newest::<Orders>() };
            let page = orders.page(Some(&written), true, &newest).await.expect("it is not stale");
            assert_eq!(page.rows.first().map(|row| row.key.id), Some(id), "the newest");
            assert_eq!(page.total, Some(number));
            let at = page.position;
            assert!(at.reaches(&written));
        }
    });
    life.drain();
}

#[test]
fn a_position_that_does_not_come_is_answered_with_how_far_the_view_is() {
    let world = world();
    let life = world.begin();
    life.run("a stale answer", async {
        let far = Position::of(0, u64::MAX);
        let open = &life.followers.views().open_checkouts;
        let answer = open.read(Some(&far), |_| ()).await;
        assert_eq!(answer, Err(Fault::stale(&open.position(), &far)));
        let orders = &life.followers.views().orders;
        let answer = orders.page(Some(&far), false, &tables::newest::<Orders>()).await;
        assert_eq!(answer.err(), Some(Fault::stale(&orders.follower.position(), &far)));
    });
    life.drain();
}

/// A node that dies has not read its logs in vain, however little time it had.
#[test]
fn checkpoints_are_stored_by_what_was_read_and_not_by_time_alone() {
    let mut world = world();
    world.limits.checkpoint_entries = 10;
    let life = world.begin();
    let began = Instant::now();
    let stored = life.run("a checkpoint", async {
        let snapshots = world.database().await.snapshots;
        type Open = OpenSagas<Checkout>;
        let id = AggregateId::derived(&[b"view", Open::NAME.as_bytes()]).0;
        for round in 1.. {
            trade(&life, round).await;
            let newest = snapshots.newest("view", id, Open::SCHEMA, Reach::ANY).await;
            if let Some(stored) = newest.expect("the database answers") {
                return stored.head.version;
            }
        }
        unreachable!("it trades for ever")
    });
    // By time it would be the thirtieth second.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(stored >= 10, "{stored} entries were read");
    life.crash();
}

#[test]
fn a_view_is_what_its_log_says_after_a_drain_and_after_a_crash() {
    let world = world();
    let life = world.begin();
    life.run("trade", async {
        trade(&life, 1).await;
        trade(&life, 2).await;
        quiet(&life).await;
    });
    let before = life.run("a look", tables::kept(&life));
    assert_eq!(before, life.run("a rebuild", tables::folded(&life)));
    assert_eq!(before["orders"].len(), 4, "orders");
    life.drain();

    let life = world.begin();
    assert_eq!(life.run("a look", tables::kept(&life)), before, "after a drain");
    let lowest = life.crash.lowest_read.load(Ordering::SeqCst);
    assert!(lowest > 0, "checkpoints were not used: a log was read from its beginning");
    life.run("trade", async {
        trade(&life, 3).await;
        quiet(&life).await;
    });
    let before = life.run("a look", tables::kept(&life));
    life.crash();

    let life = world.begin();
    assert_eq!(life.run("a look", tables::kept(&life)), before, "after a crash");
    assert_eq!(before, life.run("a rebuild", tables::folded(&life)));
    assert!(life.run("a rebuild", rebuilt::<OpenSagas<Checkout>>(&life)).is_empty());
    life.drain();
}

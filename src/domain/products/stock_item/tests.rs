//! Given / when / then for stock, and random commands against a naive model that sums everything.

use proptest::prelude::*;

use super::*;
use crate::aggregate::Refusal as _;
use crate::question::Question;
use crate::testing::{Given, context, given, golden, noon, noon_plus, state_of, uuid};

const VARIANT: VariantId = VariantId(uuid::Uuid::from_u128(1));
const HERE: LocationId = LocationId(uuid::Uuid::from_u128(2));
const THERE: LocationId = LocationId(uuid::Uuid::from_u128(3));

fn hold_id(number: u128) -> HoldId {
    HoldId(uuid(number))
}

fn ann() -> CustomerId {
    CustomerId(uuid(0xA))
}

fn bob() -> CustomerId {
    CustomerId(uuid(0xB))
}

fn order() -> AggregateId {
    AggregateId(uuid(0xD))
}

fn transfer() -> TransferId {
    TransferId(uuid(0x7))
}

/// An open item with so many units on the shelf.
fn stocked(quantity: i64) -> Given<StockItem> {
    let events = [
        Event::StockItemOpened { variant: VARIANT, location: HERE },
        Event::StockReceived { quantity },
    ];
    given(stock_item_id(VARIANT, HERE), events)
}

fn hold(number: u128, quantity: i64) -> Command {
    Command::Hold { hold: hold_id(number), customer: ann(), quantity, seconds: None, order: None }
}

fn held(number: u128, quantity: i64) -> Event {
    Event::StockHeld {
        hold: hold_id(number),
        customer: ann(),
        quantity,
        expires_at: noon_plus(900),
        order: None,
    }
}

fn expired(number: u128, quantity: i64) -> Event {
    Event::HoldExpired { hold: hold_id(number), quantity }
}

fn sell(quantity: i64) -> Command {
    Command::Sell { quantity }
}

#[test]
fn an_item_is_opened_once_under_the_id_of_its_variant_and_location() {
    let open = Command::Open { variant: VARIANT, location: HERE };
    given::<StockItem>(stock_item_id(VARIANT, HERE), [])
        .when(Command::Receive { quantity: 1 })
        .refused("STOCK_ITEM_NOT_OPEN")
        .when(Command::Open { variant: VARIANT, location: THERE })
        .refused("ID_MISMATCH")
        .when(open.clone())
        .then([Event::StockItemOpened { variant: VARIANT, location: HERE }])
        .when(open)
        .then([]);
}

#[test]
fn the_last_unit_is_held_once() {
    stocked(1)
        .when(hold(1, 1))
        .then([held(1, 1)])
        .when(hold(2, 1))
        .refused_as(Refusal::InsufficientStock { available: 0, requested: 1 })
        .when(sell(1))
        .refused("STOCK_INSUFFICIENT")
        .when(Command::Release { hold: hold_id(1) })
        .then([Event::HoldReleased { hold: hold_id(1), quantity: 1 }])
        .when(hold(2, 1))
        .then([held(2, 1)]);
}

#[test]
fn the_same_hold_asked_for_twice_is_one_hold() {
    stocked(5)
        .when(hold(1, 2))
        .accepted()
        .when(hold(1, 2))
        .then([])
        .when(hold(1, 3))
        .refused("HOLD_CONFLICT")
        .when(Command::Hold {
            hold: hold_id(1),
            customer: bob(),
            quantity: 2,
            seconds: None,
            order: None,
        })
        .refused("HOLD_CONFLICT")
        .when(Command::Release { hold: hold_id(1) })
        .accepted()
        .when(Command::Release { hold: hold_id(1) })
        .then([])
        .when(hold(1, 2))
        .refused_as(Refusal::HoldEnded { ending: Ending::Released });
}

#[test]
fn an_expired_hold_does_not_count_and_is_freed_by_whoever_needs_it() {
    let item = stocked(10).when(hold(1, 10)).accepted().at(noon_plus(899));
    let item = item.when(hold(2, 1)).refused("STOCK_INSUFFICIENT").at(noon_plus(900));
    assert_eq!(item.state.available(noon_plus(900)), 10, "no event was needed for it");
    assert_eq!(item.state.next_expiry(), Some(noon_plus(900)));
    item.when(Command::Commit { hold: hold_id(1), order: None })
        .refused("HOLD_EXPIRED")
        .when(Command::Extend { hold: hold_id(1), seconds: 60 })
        .refused("HOLD_EXPIRED")
        .when(hold(1, 10))
        .refused("HOLD_EXPIRED")
        .when(sell(11))
        .refused_as(Refusal::InsufficientStock { available: 10, requested: 11 })
        .when(sell(4))
        .then([expired(1, 10), Event::StockSold { quantity: 4 }])
        .when(Command::Commit { hold: hold_id(1), order: None })
        .refused("HOLD_EXPIRED")
        .when(Command::Release { hold: hold_id(1) })
        .then([]);
}

#[test]
fn releasing_an_expired_hold_says_that_it_expired_once() {
    stocked(10)
        .when(hold(1, 2))
        .accepted()
        .when(hold(2, 3))
        .accepted()
        .at(noon_plus(900))
        .when(Command::Release { hold: hold_id(1) })
        .then([expired(2, 3), expired(1, 2)]);
}

#[test]
fn a_hold_is_timed_to_the_next_whole_second() {
    let late = noon() + chrono::TimeDelta::microseconds(1);
    stocked(1).at(late).when(hold(1, 1)).then([Event::StockHeld {
        hold: hold_id(1),
        customer: ann(),
        quantity: 1,
        expires_at: noon_plus(901),
        order: None,
    }]);
}

#[test]
fn extensions_are_bounded_in_length_and_number() {
    let extend = |seconds| Command::Extend { hold: hold_id(1), seconds };
    let mut item = stocked(1)
        .when(hold(1, 1))
        .accepted()
        .when(extend(0))
        .refused("INVALID_DURATION")
        .when(extend(HOLD_SECONDS_MAX + 1))
        .refused("INVALID_DURATION")
        .when(extend(60))
        .then([]);
    for minute in 1..=i64::from(EXTENSIONS_MAX) {
        item = item.at(noon_plus(minute * 60)).when(extend(900)).then([Event::HoldExtended {
            hold: hold_id(1),
            expires_at: noon_plus(minute * 60 + 900),
        }]);
    }
    item.at(noon_plus(600)).when(extend(900)).refused("EXTENSIONS_TOO_MANY");
}

#[test]
fn one_customer_cannot_hold_everything() {
    let many = CUSTOMER_UNITS_DEFAULT;
    let item = stocked(1_000)
        .when(hold(1, many))
        .accepted()
        .when(hold(2, 1))
        .refused_as(Refusal::CustomerLimit { limit: many, held: many })
        .when(Command::Hold {
            hold: hold_id(3),
            customer: bob(),
            quantity: 1,
            seconds: None,
            order: None,
        })
        .accepted();
    // What is committed is paid for and does not count; nor does what expired.
    item.when(Command::Commit { hold: hold_id(1), order: None })
        .accepted()
        .when(hold(2, many))
        .accepted()
        .at(noon_plus(900))
        .when(Command::Hold {
            hold: hold_id(4),
            customer: ann(),
            quantity: many,
            seconds: None,
            order: None,
        })
        .accepted()
        .when(Command::SetCustomerLimit { units: 1 })
        .accepted()
        .when(Command::Hold {
            hold: hold_id(5),
            customer: bob(),
            quantity: 2,
            seconds: None,
            order: None,
        })
        .refused_as(Refusal::CustomerLimit { limit: 1, held: 0 });
}

#[test]
fn stock_is_low_where_no_more_than_its_threshold_may_leave_the_shelf() {
    let set = |units| Command::SetLowStockThreshold { units };
    let item = stocked(5)
        .when(Command::SetBackorderLimit { units: 10 })
        .accepted()
        .when(set(Some(3)))
        .then([Event::LowStockThresholdSet { units: Some(3) }])
        .when(set(Some(3)))
        .then([]);
    let is_low = |item: &Given<StockItem>| {
        let totals = Sums.answer(item.state.clone(), noon());
        let summary = Overview::default().answer(item.state.clone(), noon());
        assert_eq!(summary.is_low, totals.is_low(), "held is not expired here");
        summary.is_low
    };
    assert!(!is_low(&item), "5 are there");
    // What may be ordered beyond what is there makes no shelf fuller.
    let item = item.when(hold(1, 2)).accepted();
    assert!(is_low(&item), "3 are left");
    let item = item.when(Command::Receive { quantity: 1 }).accepted();
    assert!(!is_low(&item), "4 are left");
    let item = item.when(Command::Sell { quantity: 4 }).accepted();
    assert!(is_low(&item), "none is left");
    let item = item.when(set(None)).then([Event::LowStockThresholdSet { units: None }]);
    assert!(!is_low(&item), "nobody wants to know");
}

#[test]
fn a_committed_hold_does_not_expire_and_ships_once() {
    let item = stocked(5)
        .when(hold(1, 2))
        .accepted()
        .when(Command::Ship { hold: hold_id(1), order: None })
        .refused("INVALID_TRANSITION")
        .when(Command::Commit { hold: hold_id(1), order: None })
        .then([Event::HoldCommitted { hold: hold_id(1), quantity: 2 }])
        .when(Command::Commit { hold: hold_id(1), order: None })
        .then([])
        .when(Command::Release { hold: hold_id(1) })
        .refused_as(Refusal::WrongPhase { phase: Phase::Committed })
        .at(noon_plus(100_000))
        .when(sell(4))
        .refused("STOCK_INSUFFICIENT")
        .when(Command::Ship { hold: hold_id(1), order: None })
        .then([Event::HoldShipped { hold: hold_id(1), quantity: 2 }])
        .when(Command::Ship { hold: hold_id(1), order: None })
        .then([])
        .when(Command::Deallocate { hold: hold_id(1) })
        .refused_as(Refusal::HoldEnded { ending: Ending::Shipped });
    assert_eq!((item.state.on_hand, item.state.committed), (3, 0));
    assert!(item.state.holds.is_empty(), "what is shipped is not kept");
}

#[test]
fn backorders_are_filled_first_come_first_served() {
    let commit = |number| Command::Commit { hold: hold_id(number), order: None };
    let backordered = |number, quantity| Event::HoldBackordered { hold: hold_id(number), quantity };
    let filled = |number, quantity| Event::BackorderFilled { hold: hold_id(number), quantity };
    let item = stocked(2)
        .when(Command::SetBackorderLimit { units: 10 })
        .accepted()
        .when(hold(1, 5))
        .accepted()
        .when(hold(2, 1))
        .accepted()
        .when(hold(3, 7))
        .refused_as(Refusal::InsufficientStock { available: 6, requested: 7 })
        .when(sell(1))
        .refused("STOCK_INSUFFICIENT")
        .when(commit(1))
        .then([backordered(1, 5)])
        .when(commit(2))
        .then([backordered(2, 1)])
        .when(Command::Ship { hold: hold_id(1), order: None })
        .refused("INVALID_TRANSITION");
    let item = item
        .when(Command::Receive { quantity: 2 })
        .then([Event::StockReceived { quantity: 2 }])
        .when(Command::Receive { quantity: 2 })
        .then([Event::StockReceived { quantity: 2 }, filled(1, 5), filled(2, 1)]);
    assert_eq!((item.state.committed, item.state.backordered), (6, 0));
    item.when(Command::SetBackorderLimit { units: 0 }).accepted();
}

#[test]
fn taking_a_promise_away_lets_the_next_in() {
    let item = stocked(3)
        .when(Command::SetBackorderLimit { units: 10 })
        .accepted()
        .when(hold(1, 4))
        .accepted()
        .when(hold(2, 3))
        .accepted()
        .when(Command::Commit { hold: hold_id(1), order: None })
        .accepted()
        .when(Command::Commit { hold: hold_id(2), order: None })
        .then([Event::HoldBackordered { hold: hold_id(2), quantity: 3 }]);
    item.when(Command::SetBackorderLimit { units: 3 })
        .refused("STOCK_INSUFFICIENT")
        .when(Command::Deallocate { hold: hold_id(1) })
        .then([
            Event::HoldDeallocated { hold: hold_id(1), quantity: 4 },
            Event::BackorderFilled { hold: hold_id(2), quantity: 3 },
        ])
        .when(Command::Deallocate { hold: hold_id(1) })
        .then([])
        .when(Command::Abandon { hold: hold_id(2), order: None })
        .then([Event::HoldDeallocated { hold: hold_id(2), quantity: 3 }])
        .when(Command::Abandon { hold: hold_id(2), order: None })
        .then([])
        .when(Command::Abandon { hold: hold_id(99), order: None })
        .then([]);
}

fn adjust(delta: i64, reason: &str) -> Command {
    Command::Adjust { delta, reason: reason.to_owned() }
}

fn count(from: i64, to: i64) -> Command {
    Command::SetOnHand { from, to, reason: "recount".to_owned() }
}

#[test]
fn corrections_say_why_and_record_what_is_there() {
    stocked(5)
        .when(adjust(-6, "broken"))
        .refused_as(Refusal::InsufficientStock { available: 5, requested: 6 })
        .when(adjust(-2, "broken"))
        .then([Event::StockAdjusted { delta: -2, reason: "broken".to_owned() }])
        .when(adjust(0, "nothing"))
        .refused("INVALID_QUANTITY")
        .when(adjust(1, ""))
        .refused("INVALID_TEXT")
        .when(count(5, 9))
        .refused_as(Refusal::StaleCount { expected: 5, actual: 3 })
        .when(count(3, 3))
        .then([])
        .when(count(3, 9))
        .then([Event::StockCounted { from: 3, to: 9, reason: "recount".to_owned() }]);
}

/// Ten on the shelf, six promised in two holds, four counted.
fn short() -> Given<StockItem> {
    stocked(10)
        .when(hold(1, 3))
        .accepted()
        .when(hold(2, 3))
        .accepted()
        .when(Command::Commit { hold: hold_id(1), order: None })
        .accepted()
        .when(Command::Commit { hold: hold_id(2), order: None })
        .accepted()
        .when(count(10, 4))
        .then([Event::StockCounted { from: 10, to: 4, reason: "recount".to_owned() }])
}

#[test]
fn less_than_was_promised_is_a_shortage_that_a_receipt_cures() {
    let item = short();
    assert_eq!((item.state.shortage(), item.state.available(noon())), (2, 0));
    assert_eq!(
        short_of(&item.state),
        [(uuid(2).as_u128(), 2)],
        "the oldest promise is served first"
    );
    let nothing = Refusal::InsufficientStock { available: 0, requested: 1 };
    let item = item
        .when(hold(3, 1))
        .refused_as(nothing.clone())
        .when(sell(1))
        .refused_as(nothing)
        .when(Command::TransferOut { transfer: transfer(), to: THERE, quantity: 1 })
        .refused("STOCK_INSUFFICIENT")
        .when(Command::Ship { hold: hold_id(1), order: None })
        .then([Event::HoldShipped { hold: hold_id(1), quantity: 3 }])
        .when(Command::Ship { hold: hold_id(2), order: None })
        .refused_as(Refusal::InsufficientStock { available: 1, requested: 3 })
        .when(Command::SetBackorderLimit { units: 1 })
        .accepted()
        .when(Command::Receive { quantity: 2 })
        .then([Event::StockReceived { quantity: 2 }]);
    assert_eq!((item.state.shortage(), short_of(&item.state)), (0, vec![]));
    item.when(Command::Ship { hold: hold_id(2), order: None }).accepted();
}

#[test]
fn whatever_is_counted_the_oldest_promises_are_served_first() {
    for counted in 0..=9 {
        let mut item = stocked(10);
        for id in 1..=3 {
            let commit = Command::Commit { hold: hold_id(id), order: None };
            item = item.when(hold(id, 3)).accepted().when(commit).accepted();
        }
        let item = item.when(count(10, counted)).accepted();
        let mut left = counted;
        let mut missing = Vec::new();
        for id in 1..=3 {
            let served = left.min(3);
            left -= served;
            missing.push((uuid(id).as_u128(), 3 - served));
        }
        missing.retain(|(_, units)| *units > 0);
        assert_eq!(short_of(&item.state), missing, "{counted} counted");
        assert_eq!(item.state.shortage(), 9 - counted);
    }
}

#[test]
fn what_was_only_held_is_not_promised_once_it_is_not_there() {
    let commit = Command::Commit { hold: hold_id(1), order: None };
    let item = stocked(5).when(hold(1, 4)).accepted().when(count(5, 2)).accepted();
    assert_eq!(item.state.shortage(), 0, "nobody was promised anything");
    item.when(commit.clone())
        .refused_as(Refusal::InsufficientStock { available: 2, requested: 4 })
        .when(Command::SetBackorderLimit { units: 1 })
        .accepted()
        .when(commit.clone())
        .refused_as(Refusal::InsufficientStock { available: 3, requested: 4 })
        .when(Command::SetBackorderLimit { units: 2 })
        .accepted()
        .when(Command::SetBackorderLimit { units: 1 })
        .refused("STOCK_INSUFFICIENT")
        .when(commit)
        .then([Event::HoldBackordered { hold: hold_id(1), quantity: 4 }]);
}

#[test]
fn what_is_held_for_an_order_moves_with_it_alone() {
    let hold = hold_id(1);
    let claim = |order| Command::Hold { hold, customer: ann(), quantity: 2, seconds: None, order };
    let behind_its_back = |item: Given<StockItem>| {
        let other = Some(AggregateId(uuid(0xE)));
        let commands = [
            claim(None),
            Command::Extend { hold, seconds: 60 },
            Command::Release { hold },
            Command::Deallocate { hold },
            Command::Commit { hold, order: None },
            Command::Ship { hold, order: None },
            Command::Abandon { hold, order: None },
            Command::Commit { hold, order: other },
            Command::Ship { hold, order: other },
            Command::Abandon { hold, order: other },
        ];
        commands.into_iter().fold(item, |item, command| match command {
            Command::Hold { .. } => item.when(command).refused("HOLD_CONFLICT"),
            _ => item.when(command).refused_as(Refusal::HoldOfOrder { order: order() }),
        })
    };
    let item = behind_its_back(stocked(5).when(claim(Some(order()))).accepted());
    let item = item.when(Command::Commit { hold, order: Some(order()) }).accepted();
    let item = behind_its_back(item);
    item.when(Command::Ship { hold, order: Some(order()) }).accepted();
    // What is for no order is moved by no order's saga.
    stocked(5)
        .when(claim(None))
        .accepted()
        .when(Command::Commit { hold, order: Some(order()) })
        .refused("HOLD_CONFLICT");
}

#[test]
fn quantities_that_make_no_sense_are_refused() {
    for quantity in [0, -1, i64::MIN, UNITS_MAX + 1, i64::MAX] {
        for command in [
            Command::Receive { quantity },
            hold(1, quantity),
            sell(quantity),
            Command::TransferOut { transfer: transfer(), to: THERE, quantity },
            Command::TransferIn { transfer: transfer(), from: THERE, quantity },
        ] {
            stocked(5).when(command).refused("INVALID_QUANTITY");
        }
    }
    for units in [-1, i64::MIN, i64::MAX] {
        stocked(5).when(Command::SetBackorderLimit { units }).refused("INVALID_QUANTITY");
        stocked(5).when(Command::SetCustomerLimit { units }).refused("INVALID_QUANTITY");
        let threshold = Command::SetLowStockThreshold { units: Some(units) };
        stocked(5).when(threshold).refused("INVALID_QUANTITY");
    }
    for delta in [i64::MIN, i64::MAX] {
        let command = Command::Adjust { delta, reason: "why".to_owned() };
        stocked(5).when(command).refused("INVALID_QUANTITY");
    }
    stocked(UNITS_MAX).when(Command::Receive { quantity: 1 }).refused("INVALID_QUANTITY");
}

#[test]
fn a_transfer_moves_stock_once() {
    let out = Command::TransferOut { transfer: transfer(), to: THERE, quantity: 4 };
    let source = stocked(10)
        .when(Command::TransferOut { transfer: transfer(), to: HERE, quantity: 4 })
        .refused("TRANSFER_CONFLICT")
        .when(out.clone())
        .then([Event::TransferSent { transfer: transfer(), to: THERE, quantity: 4 }])
        .when(out.clone())
        .then([])
        .when(Command::TransferOut { transfer: transfer(), to: THERE, quantity: 5 })
        .refused("TRANSFER_CONFLICT");
    assert_eq!(source.state.on_hand, 6);

    let arrive = Command::TransferIn { transfer: transfer(), from: HERE, quantity: 4 };
    let opened = Event::StockItemOpened { variant: VARIANT, location: THERE };
    let destination = given::<StockItem>(stock_item_id(VARIANT, THERE), [opened])
        .when(arrive.clone())
        .then([Event::TransferReceived { transfer: transfer(), from: HERE, quantity: 4 }])
        .when(arrive)
        .then([])
        .when(Command::TransferIn { transfer: transfer(), from: HERE, quantity: 5 })
        .refused("TRANSFER_CONFLICT")
        .when(Command::RefuseTransfer { transfer: transfer(), from: HERE })
        .refused("TRANSFER_ARRIVED");
    assert_eq!(destination.state.on_hand, 4);

    let complete = Command::CompleteTransfer { transfer: transfer() };
    source
        .when(complete.clone())
        .then([Event::TransferCompleted { transfer: transfer() }])
        .when(complete)
        .then([])
        .when(Command::CancelTransfer { transfer: transfer() })
        .refused("TRANSFER_CONFLICT")
        .when(out)
        .refused("TRANSFER_CONFLICT");
    destination
        .when(Command::ForgetTransfer { transfer: transfer() })
        .then([Event::TransferForgotten { transfer: transfer() }])
        .when(Command::ForgetTransfer { transfer: transfer() })
        .then([]);
}

#[test]
fn a_refused_transfer_comes_back() {
    let opened = Event::StockItemOpened { variant: VARIANT, location: THERE };
    let refuse = Command::RefuseTransfer { transfer: transfer(), from: HERE };
    given::<StockItem>(stock_item_id(VARIANT, THERE), [opened])
        .when(refuse.clone())
        .then([Event::TransferRefused { transfer: transfer(), from: HERE }])
        .when(refuse)
        .then([])
        .when(Command::TransferIn { transfer: transfer(), from: HERE, quantity: 4 })
        .refused("TRANSFER_REFUSED");
    let cancel = Command::CancelTransfer { transfer: transfer() };
    let source = stocked(10)
        .when(cancel.clone())
        .refused("TRANSFER_NOT_FOUND")
        .when(Command::TransferOut { transfer: transfer(), to: THERE, quantity: 4 })
        .accepted()
        .when(cancel.clone())
        .then([Event::TransferCancelled { transfer: transfer(), quantity: 4 }])
        .when(cancel)
        .then([]);
    assert_eq!(source.state.on_hand, 10);
}

#[test]
fn a_decision_frees_a_bounded_number_of_expired_holds() {
    let holds = EXPIRED_FREED_MAX as i64 + 1;
    let mut events = vec![
        Event::StockItemOpened { variant: VARIANT, location: HERE },
        Event::StockReceived { quantity: holds },
    ];
    events.extend((0..holds).map(|number| held(number as u128, 1)));
    let item =
        || given::<StockItem>(stock_item_id(VARIANT, HERE), events.clone()).at(noon_plus(900));

    let passing = item().when(Command::Receive { quantity: 1 }).accepted();
    assert_eq!(passing.state.holds.len(), holds as usize - EXPIRED_FREED_IN_PASSING);
    let needed = item().when(sell(100)).accepted();
    assert_eq!(needed.state.holds.len(), holds as usize - 100);
    assert_eq!(needed.state.on_hand, holds - 100);

    let settled = item()
        .when(sell(holds))
        .refused("HOLD_EXPIRY_OVERDUE")
        .when(Command::ExpireHolds)
        .accepted();
    assert_eq!(settled.state.holds.len(), 1);
    settled.when(sell(holds)).accepted().when(Command::ExpireHolds).then([]);
}

#[test]
fn a_decision_fills_a_bounded_number_of_backorders_and_the_next_goes_on() {
    let orders = BACKORDERS_FILLED_MAX as i64 + 10;
    let mut events = vec![
        Event::StockItemOpened { variant: VARIANT, location: HERE },
        Event::BackorderLimitSet { units: orders },
    ];
    for number in 0..orders {
        events.push(held(number as u128, 1));
        events.push(Event::HoldBackordered { hold: hold_id(number as u128), quantity: 1 });
    }
    let item = given::<StockItem>(stock_item_id(VARIANT, HERE), events)
        .when(Command::Receive { quantity: orders })
        .accepted();
    assert_eq!(item.state.backordered, 10);
    let item =
        item.when(sell(1)).refused("STOCK_INSUFFICIENT").when(Command::ExpireHolds).accepted();
    assert_eq!((item.state.backordered, item.state.committed), (0, orders));
}

fn samples() -> Vec<Event> {
    let (hold, quantity, from, to) = (hold_id(5), 3, THERE, THERE);
    let (transfer, reason, expires_at) = (transfer(), "recount".to_owned(), noon_plus(900));
    vec![
        Event::StockItemOpened { variant: VARIANT, location: HERE },
        Event::StockReceived { quantity },
        Event::StockAdjusted { delta: -2, reason: reason.clone() },
        Event::StockCounted { from: 10, to: 12, reason },
        Event::BackorderLimitSet { units: 20 },
        Event::CustomerLimitSet { units: 5 },
        Event::LowStockThresholdSet { units: Some(3) },
        Event::StockHeld { hold, customer: ann(), quantity, expires_at, order: Some(order()) },
        Event::HoldExtended { hold, expires_at },
        Event::HoldReleased { hold, quantity },
        Event::HoldExpired { hold, quantity },
        Event::HoldCommitted { hold, quantity },
        Event::HoldBackordered { hold, quantity },
        Event::BackorderFilled { hold, quantity },
        Event::HoldShipped { hold, quantity },
        Event::HoldDeallocated { hold, quantity },
        Event::StockSold { quantity },
        Event::TransferSent { transfer, to, quantity },
        Event::TransferReceived { transfer, from, quantity },
        Event::TransferRefused { transfer, from },
        Event::TransferCompleted { transfer },
        Event::TransferCancelled { transfer, quantity },
        Event::TransferForgotten { transfer },
    ]
}

#[test]
fn stored_events_keep_their_shape() {
    golden(StockItem::TYPE, &samples());
}

/// What a claim is to the model, which keeps a list and sums it up each time.
#[derive(Clone, Debug)]
struct Claim {
    id: u128,
    quantity: i64,
    phase: Phase,
    ends: i64,
}

#[derive(Clone, Debug, Default)]
struct Model {
    second: i64,
    on_hand: i64,
    limit: i64,
    /// In the order in which they were last promised.
    claims: Vec<Claim>,
}

impl Model {
    fn sum(&self, phase: Phase) -> i64 {
        self.claims.iter().filter(|claim| claim.phase == phase).map(|claim| claim.quantity).sum()
    }

    fn claimed(&self) -> i64 {
        self.claims.iter().map(|claim| claim.quantity).sum()
    }

    /// Serves the shelf to the committed, oldest first, and says who gets less than was promised.
    fn short(&self) -> Vec<(u128, i64)> {
        let mut left = self.on_hand;
        let committed = self.claims.iter().filter(|claim| claim.phase == Phase::Committed);
        let missing = committed.map(|claim| {
            let served = left.min(claim.quantity);
            left -= served;
            (claim.id, claim.quantity - served)
        });
        missing.filter(|(_, missing)| *missing > 0).collect()
    }

    fn expire(&mut self) {
        let second = self.second;
        self.claims.retain(|claim| claim.phase != Phase::Held || claim.ends > second);
    }

    fn fill(&mut self) {
        while let Some(next) =
            self.claims.iter().position(|claim| claim.phase == Phase::Backordered)
        {
            if self.claims[next].quantity > self.on_hand - self.sum(Phase::Committed) {
                return;
            }
            self.claims[next].phase = Phase::Committed;
        }
    }

    /// Whether the command succeeds, and does it.
    fn perform(&mut self, command: &Command) -> bool {
        self.expire();
        let position = |model: &Self, hold: &HoldId| {
            model.claims.iter().position(|claim| hold_id(claim.id) == *hold)
        };
        match command {
            Command::Receive { quantity } => self.on_hand += quantity,
            Command::Adjust { delta, .. } => {
                if self.on_hand + delta < 0 {
                    return false;
                }
                self.on_hand += delta;
            }
            Command::SetBackorderLimit { units } => {
                if *units < self.limit && self.claimed() > self.on_hand + units {
                    return false;
                }
                self.limit = *units;
                return true;
            }
            Command::Sell { quantity } => {
                if self.claimed() + quantity > self.on_hand {
                    return false;
                }
                self.on_hand -= quantity;
            }
            Command::Hold { hold, quantity, seconds, .. } => {
                if self.claimed() + quantity > self.on_hand + self.limit {
                    return false;
                }
                let ends = self.second + i64::from(seconds.expect("the test gives seconds"));
                let id = hold.0.as_u128();
                self.claims.push(Claim { id, quantity: *quantity, phase: Phase::Held, ends });
                return true;
            }
            Command::Commit { hold, .. } => {
                let Some(index) = position(self, hold) else {
                    return false;
                };
                if self.claims[index].phase == Phase::Held {
                    let mut claim = self.claims.remove(index);
                    let free = self.on_hand - self.sum(Phase::Committed);
                    let fits = claim.quantity <= free && self.sum(Phase::Backordered) == 0;
                    let promised = free - self.sum(Phase::Backordered);
                    if !fits && claim.quantity > promised + self.limit {
                        self.claims.insert(index, claim);
                        return false;
                    }
                    claim.phase = if fits { Phase::Committed } else { Phase::Backordered };
                    self.claims.push(claim);
                }
                return true;
            }
            Command::Ship { hold, .. } => {
                let Some(index) = position(self, hold) else {
                    return false;
                };
                let claim = &self.claims[index];
                if claim.phase != Phase::Committed || claim.quantity > self.on_hand {
                    return false;
                }
                self.on_hand -= self.claims.remove(index).quantity;
                return true;
            }
            Command::Abandon { hold, .. } => match position(self, hold) {
                Some(index) if self.claims[index].phase == Phase::Held => {
                    self.claims.remove(index);
                    return true;
                }
                Some(index) => drop(self.claims.remove(index)),
                None => return true,
            },
            Command::ExpireHolds => {}
            other => unreachable!("the test does not send {other:?}"),
        }
        if !matches!(command, Command::Sell { .. }) {
            self.fill();
        }
        true
    }
}

/// How far more is claimed than may be, and more committed than is there; nothing where it is whole.
fn beyond(state: &State) -> (i64, i64) {
    let claimed = state.held + state.committed + state.backordered;
    ((claimed - state.on_hand - state.backorder_limit).max(0), state.shortage())
}

/// What the item lists as short, page by page.
fn short_of(state: &State) -> Vec<(u128, i64)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let question =
            Overview { shortages: vec![Shortages { first: 2, after }], ..<_>::default() };
        let page = question.answer(state.clone(), noon()).shortages.remove(0);
        all.extend(page.holds.iter().map(|short| (short.id.0.as_u128(), short.missing)));
        after = page.holds.last().map(|short| short.hold.queued);
        if !page.has_more {
            return all;
        }
    }
}

/// A step of the random walk: seconds that pass, then a command. Holds get fresh ids.
fn any_step() -> impl Strategy<Value = (i64, u8, i64, usize)> {
    (0_i64..40, 0_u8..9, 1_i64..12, 0_usize..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn random_commands_agree_with_the_naive_model(steps in prop::collection::vec(any_step(), 1..120)) {
        let id = stock_item_id(VARIANT, HERE);
        let mut state = state_of::<StockItem>(&[
            Event::StockItemOpened { variant: VARIANT, location: HERE },
            Event::CustomerLimitSet { units: UNITS_MAX },
        ]);
        let mut model = Model::default();
        let mut next_hold = 1_u128;
        for (pause, kind, quantity, pick) in steps {
            model.second += pause;
            let known = model.claims.get(pick % model.claims.len().max(1)).map_or(0, |claim| claim.id);
            let hold = hold_id(known);
            let command = match kind {
                0 => Command::Receive { quantity },
                1 => Command::Adjust { delta: 5 - quantity, reason: "walk".to_owned() },
                2 => Command::SetBackorderLimit { units: quantity },
                3 => Command::Sell { quantity },
                4 | 5 => {
                    next_hold += 1;
                    let customer = CustomerId(uuid(pick as u128));
                    let seconds = Some(20 * (1 + pick as u32));
                    Command::Hold { hold: hold_id(next_hold), customer, quantity, seconds, order: None }
                }
                6 => Command::Commit { hold, order: None },
                7 => Command::Ship { hold, order: None },
                _ if pick == 0 => Command::ExpireHolds,
                _ => Command::Abandon { hold, order: None },
            };
            if matches!(command, Command::Adjust { delta: 0, .. }) {
                continue;
            }
            let now = noon_plus(model.second);
            let decided = StockItem::decide(&state, &command, &context(id, now, 0));
            let before = model.clone();
            let expected = model.perform(&command);
            prop_assert_eq!(decided.is_ok(), expected, "{:?} on {:?}: {:?}", command, before, decided);
            for event in decided.into_iter().flatten() {
                let before = beyond(&state);
                StockItem::apply(&mut state, &event);
                // After every event, not only after every decision: nothing but a count takes what
                // was promised beyond what is there, or further beyond it.
                let is_a_count = matches!(event, Event::StockAdjusted { .. });
                let after = beyond(&state);
                prop_assert!(is_a_count || (after.0 <= before.0 && after.1 <= before.1), "{:?} on {:?}", event, state);
                prop_assert!(state.on_hand >= 0, "{:?}", state);
            }
            prop_assert_eq!(state.on_hand, model.on_hand);
            prop_assert_eq!(state.held_now(now), model.sum(Phase::Held));
            prop_assert_eq!(state.committed, model.sum(Phase::Committed));
            prop_assert_eq!(state.backordered, model.sum(Phase::Backordered));
            prop_assert_eq!(state.available(now), (model.on_hand + model.limit - model.claimed()).max(0));
            prop_assert_eq!(state.shortage(), (model.sum(Phase::Committed) - model.on_hand).max(0));
            prop_assert_eq!(short_of(&state), model.short());
            check_indexes(&state)?;
        }
        let stored = serde_json::to_string(&state).expect("a state serialises");
        let back: State = serde_json::from_str(&stored).expect("a stored state decodes");
        prop_assert_eq!(back, state);
    }

    #[test]
    fn no_number_makes_it_panic(
        numbers in prop::collection::vec(prop_oneof![any::<i64>(), Just(UNITS_MAX), Just(i64::MIN), Just(i64::MAX)], 1..12),
        kinds in prop::collection::vec(0_u8..9, 12),
        microseconds in any::<i64>(),
    ) {
        let id = stock_item_id(VARIANT, HERE);
        let now = chrono::DateTime::from_timestamp_micros(microseconds).unwrap_or(chrono::DateTime::<Utc>::MAX_UTC);
        let mut state = state_of::<StockItem>(&[Event::StockItemOpened { variant: VARIANT, location: HERE }]);
        for (quantity, kind) in numbers.into_iter().zip(kinds) {
            let transfer = transfer();
            let reason = "walk".to_owned();
            let command = match kind {
                0 => Command::Receive { quantity },
                1 => Command::Adjust { delta: quantity, reason },
                2 => Command::SetOnHand { from: state.on_hand, to: quantity, reason },
                3 => Command::SetBackorderLimit { units: quantity },
                4 => Command::SetCustomerLimit { units: quantity },
                5 => Command::Hold { hold: hold_id(1), customer: ann(), quantity, seconds: Some(quantity as u32), order: None },
                6 => Command::TransferOut { transfer, to: THERE, quantity },
                7 => Command::TransferIn { transfer, from: THERE, quantity },
                _ => Command::CancelTransfer { transfer },
            };
            match StockItem::decide(&state, &command, &context(id, now, 0)) {
                Ok(events) => events.iter().for_each(|event| StockItem::apply(&mut state, event)),
                Err(refusal) => prop_assert!(!refusal.code().is_empty() && !refusal.to_string().is_empty()),
            }
            prop_assert!(state.on_hand >= 0 && state.on_hand <= UNITS_MAX);
        }
    }
}

/// The running totals and indexes are what the holds sum up to.
fn check_indexes(state: &State) -> Result<(), TestCaseError> {
    let in_phase = |phase| state.holds.iter().filter(move |(_, hold)| hold.phase == phase);
    let expiries = in_phase(Phase::Held).map(|(id, hold)| (hold.expires_second, *id)).collect();
    prop_assert_eq!(&state.expiries, &expiries);
    let mut by_expiry = imbl::OrdMap::new();
    let mut customers = imbl::HashMap::new();
    for (_, hold) in in_phase(Phase::Held) {
        *by_expiry.entry(hold.expires_second).or_insert(0) += hold.quantity;
        *customers.entry(hold.customer).or_insert(0) += hold.quantity;
    }
    prop_assert_eq!(&state.units_by_expiry, &by_expiry);
    prop_assert_eq!(&state.customers, &customers);
    let committed = in_phase(Phase::Committed);
    let commitments = committed.map(|(id, hold)| (hold.queued, (*id, hold.quantity))).collect();
    prop_assert_eq!(&state.commitments, &commitments);
    let backorders = in_phase(Phase::Backordered).map(|(id, hold)| (hold.queued, *id)).collect();
    prop_assert_eq!(&state.backorders, &backorders);
    Ok(())
}

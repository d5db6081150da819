//! The proofs of a transfer, in a small world of two real shelves: the goods are never in two
//! places, never lost, and at the end in exactly one.

use std::collections::BTreeMap;

use super::*;
use crate::saga::{Call, Outcome, Request};
use crate::testing::{
    Fault, Parties, Trial, ask, lasting_faults_unwind_clean, single_faults_change_nothing,
    steps_repeat_harmlessly,
};
use domain::aggregate::Refusal as _;
use domain::id::VariantId;
use domain::products::stock_item::{self, StockItem, TRANSFERS_MAX, UNITS_MAX, stock_item_id};
use domain::testing::{given, golden, noon_plus, state_of, uuid};

const FROM: LocationId = LocationId(uuid::Uuid::from_u128(1));
const TO: LocationId = LocationId(uuid::Uuid::from_u128(2));
const VARIANT: VariantId = VariantId(uuid::Uuid::from_u128(3));

fn goods(quantity: i64) -> Goods {
    let transfer = TransferId(uuid(0x7));
    Goods { transfer, variant: VARIANT, from: FROM, to: TO, quantity }
}

/// Two shelves, and what is planted in them to see the proofs see it.
#[derive(Clone, Debug, PartialEq)]
struct Shelves {
    stock: BTreeMap<AggregateId, stock_item::State>,
    planted: Planted,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Planted {
    Nothing,
    /// Goods arrive by a command that means them anew each time.
    ArrivalsAreCountedAgain,
    /// The source takes the goods back before the destination has refused them.
    NothingIsRefused,
}

impl Parties<Transfer> for Shelves {
    fn perform(&mut self, request: Request<Command>, now: DateTime<Utc>) -> Outcome<Command> {
        let Request::Stock(mut call) = request else { panic!("a transfer asks stock alone") };
        match (self.planted, &call.command) {
            (
                Planted::ArrivalsAreCountedAgain,
                stock_item::Command::TransferIn { quantity, .. },
            ) => call.command = stock_item::Command::Receive { quantity: *quantity },
            (Planted::NothingIsRefused, stock_item::Command::RefuseTransfer { .. }) => {
                return (call.then)(Ok(()));
            }
            _ => {}
        }
        let Call { to, .. } = call;
        ask::<StockItem, _>(self.stock.get_mut(&to).expect("a shelf"), call, now)
    }
}

type World = Trial<Transfer, Shelves>;

/// Ten units here, and a shelf there that is open, or is not, or has so many already.
fn world(quantity: i64, there: Option<i64>) -> World {
    let shelf = |location, on_hand: i64| {
        let opened = stock_item::Event::StockItemOpened { variant: VARIANT, location };
        state_of::<StockItem>(&[opened, stock_item::Event::StockReceived { quantity: on_hand }])
    };
    let mut stock = BTreeMap::new();
    stock.insert(stock_item_id(VARIANT, FROM), shelf(FROM, 10));
    let destination = there.map_or_else(Default::default, |on_hand| shelf(TO, on_hand));
    stock.insert(stock_item_id(VARIANT, TO), destination);
    let shelves = Shelves { stock, planted: Planted::Nothing };
    let goods = goods(quantity);
    Trial::new(saga_id(goods.transfer), &Command::Start { goods }, shelves)
}

fn planted(planted: Planted, there: i64) -> World {
    let mut world = world(4, Some(there));
    world.parties.planted = planted;
    world
}

impl World {
    fn on_hand(&self, location: LocationId) -> i64 {
        self.parties.stock[&stock_item_id(VARIANT, location)].on_hand
    }

    /// Everything is where it was to go, and neither side remembers a transfer.
    #[track_caller]
    fn assert_moved(&self) {
        assert_eq!((self.saga.phase, &self.saga.why), (Phase::Completed, &None));
        assert_eq!((self.on_hand(FROM), self.on_hand(TO)), (6, 5));
        self.assert_forgotten();
    }

    /// Everything is where it was.
    #[track_caller]
    fn assert_unmoved(&self, there: i64) {
        assert!(matches!(self.saga.phase, Phase::Refused | Phase::Cancelled), "{:?}", self.saga);
        assert!(self.saga.why.is_some());
        assert_eq!((self.on_hand(FROM), self.on_hand(TO)), (10, there));
        self.assert_forgotten();
    }

    #[track_caller]
    fn assert_forgotten(&self) {
        for shelf in self.parties.stock.values() {
            assert!(shelf.outgoing.is_empty() && shelf.incoming.is_empty(), "{shelf:?}");
        }
    }
}

/// The worlds in which nothing is moved: too little here, no shelf there, no room there.
fn failing_worlds() -> [(World, i64); 3] {
    [(world(11, Some(1)), 1), (world(4, None), 0), (world(4, Some(UNITS_MAX)), UNITS_MAX)]
}

#[test]
fn a_transfer_that_meets_no_trouble_leaves_four_events() {
    let world = world(4, Some(1)).run_smoothly();
    world.assert_moved();
    let events = [
        Event::StockTransferStarted { goods: goods(4) },
        Event::StockTransferSent {},
        Event::StockTransferReceived {},
        Event::StockTransferCompleted {},
    ];
    assert_eq!(world.events, events);
}

#[test]
fn what_one_side_refuses_is_not_moved_and_says_why() {
    let [short, closed, full] = failing_worlds().map(|(world, _)| world.run_smoothly().saga);
    let why = Why::InsufficientStock { available: 10, requested: 11 };
    assert_eq!((short.phase, short.why), (Phase::Refused, Some(why)));
    let (quantity, min, max) = (4, 0, 0);
    let no_room = Why::InvalidQuantity { quantity, min, max };
    for (saga, expected) in [(closed, Why::NotOpen {}), (full, no_room)] {
        let refusal = expected.stock_refusal().expect("one of the stock");
        assert_eq!((expected.code(), expected.to_string()), (refusal.code(), refusal.to_string()));
        assert_eq!((saga.phase, saga.why), (Phase::Cancelled, Some(expected)));
    }
}

#[test]
fn every_single_fault_in_turn_changes_nothing_about_the_end() {
    single_faults_change_nothing(&world(4, Some(1)), World::assert_moved);
    for (trial, there) in failing_worlds() {
        single_faults_change_nothing(&trial, |end| end.assert_unmoved(there));
    }
}

#[test]
fn every_step_that_fails_for_good_is_unwound_clean() {
    let forward = |step: &Step| matches!(step, Step::Send(_) | Step::Receive(_));
    // An arrival whose answer was lost is found out when it is to be refused.
    let unwound = |end: &World| end.assert_unmoved(1);
    lasting_faults_unwind_clean(&world(4, Some(1)), forward, unwound, World::assert_moved, 1);
}

#[test]
fn every_step_done_twice_has_the_same_result() {
    steps_repeat_harmlessly(&world(4, Some(1)));
    for (trial, _) in failing_worlds() {
        steps_repeat_harmlessly(&trial);
    }
}

#[test]
fn planted_bugs_are_caught() {
    let caught = |proof: fn()| std::panic::catch_unwind(proof).is_err();
    assert!(caught(|| {
        steps_repeat_harmlessly(&planted(Planted::ArrivalsAreCountedAgain, 1));
    }));
    assert!(caught(|| {
        single_faults_change_nothing(&planted(Planted::ArrivalsAreCountedAgain, 1), |end| {
            assert_eq!((end.on_hand(FROM), end.on_hand(TO)), (6, 5));
        });
    }));
    let forward = |step: &Step| matches!(step, Step::Send(_) | Step::Receive(_));
    let total = move |end: &World| assert_eq!(end.on_hand(FROM) + end.on_hand(TO), 11);
    let twice = planted(Planted::NothingIsRefused, 1);
    let proof = std::panic::AssertUnwindSafe(|| {
        lasting_faults_unwind_clean(&twice, forward, total, total, 1);
    });
    assert!(std::panic::catch_unwind(proof).is_err(), "the goods exist twice");
}

#[test]
fn what_has_to_happen_calls_for_an_operator_when_it_fails_for_long() {
    let tries = std::cell::Cell::new(0);
    let world = world(4, Some(1)).run(&|_, step| {
        let completes = matches!(step, Step::Complete(_));
        tries.set(tries.get() + u32::from(completes));
        (completes && tries.get() <= FINAL.attempts_max).then_some(Fault::Fails)
    });
    assert_eq!(world.stalls, 1);
    world.assert_moved();
}

#[test]
fn a_transfer_is_started_once_and_what_the_source_refused_is_tried_anew() {
    let id = saga_id(goods(4).transfer);
    let start = |quantity| Command::Start { goods: goods(quantity) };
    let started = |quantity| Event::StockTransferStarted { goods: goods(quantity) };
    let fresh = || given::<Transfer>(id, []);
    fresh().when(Command::RecordSent).refused("TRANSFER_NOT_FOUND");
    fresh().when(start(0)).refused("INVALID_QUANTITY");
    fresh().of(AggregateId(uuid(1))).when(start(4)).refused("ID_MISMATCH");
    let here = Goods { to: FROM, ..goods(4) };
    fresh().when(Command::Start { goods: here }).refused("INVALID_TRANSFER");
    let why = Why::InsufficientStock { available: 1, requested: 4 };
    fresh()
        .when(start(4))
        .then([started(4)])
        .when(start(4))
        .then([])
        .when(start(5))
        .refused("TRANSFER_CONFLICT")
        .when(Command::RecordCompleted)
        .refused("INVALID_TRANSITION")
        .when(Command::RecordNotSent { why: why.clone() })
        .then([Event::StockTransferNotSent { why }])
        .when(start(4))
        .then([started(4)]);
}

#[test]
fn a_transfer_may_be_aborted_until_it_has_arrived() {
    let id = saga_id(goods(4).transfer);
    let abort = || Command::Abort { reason: "wrong shelf".to_owned() };
    let started = Event::StockTransferStarted { goods: goods(4) };
    let aborted = Event::StockTransferAborted { reason: "wrong shelf".to_owned() };
    let sent = [started.clone(), Event::StockTransferSent {}];
    given::<Transfer>(id, [started]).when(abort()).then([aborted.clone()]);
    given::<Transfer>(id, sent.clone()).when(abort()).then([aborted]).when(abort()).then([]);
    let arrived = [&sent[..], &[Event::StockTransferReceived {}]].concat();
    given::<Transfer>(id, arrived).when(abort()).refused("INVALID_TRANSITION");
    let mut world = world(4, Some(1));
    assert!(world.turn(&|_, _| None));
    world.record(&abort());
    world.run_smoothly().assert_unmoved(1);
}

#[test]
fn as_many_transfers_may_be_open_as_a_side_remembers() {
    let mut world = world(4, Some(1));
    let there = world.parties.stock.get_mut(&stock_item_id(VARIANT, TO)).expect("a shelf");
    for number in 0..TRANSFERS_MAX as u128 {
        let event = stock_item::Event::TransferReceived {
            transfer: TransferId(uuid(0x1_0000 + number)),
            from: FROM,
            quantity: 1,
        };
        StockItem::apply(there, &event);
    }
    // Neither the arrival nor its refusal has room, until others are forgotten.
    for _ in 0..8 {
        assert!(world.turn(&|_, _| None));
    }
    assert_eq!((world.saga.phase, world.on_hand(FROM)), (Phase::Refusing, 6));
    let there = world.parties.stock.get_mut(&stock_item_id(VARIANT, TO)).expect("a shelf");
    let transfer = TransferId(uuid(0x1_0000));
    StockItem::apply(there, &stock_item::Event::TransferForgotten { transfer });
    let end = world.run_smoothly();
    assert_eq!((end.saga.phase, end.on_hand(FROM)), (Phase::Cancelled, 10));
}

fn samples() -> Vec<Event> {
    let (attempt, next_at) = (3, noon_plus(4));
    let error = || "UNAVAILABLE".to_owned();
    let insufficient = Why::InsufficientStock { available: 1, requested: 4 };
    let no_room = Why::InvalidQuantity { quantity: 4, min: 1, max: UNITS_MAX };
    let (code, message) = ("LIMIT_REACHED".to_owned(), "too many".to_owned());
    vec![
        Event::StockTransferStarted { goods: goods(4) },
        Event::StockTransferSent {},
        Event::StockTransferNotSent { why: insufficient },
        Event::StockTransferReceived {},
        Event::StockTransferNotReceived { why: Why::Refused { code, message } },
        Event::StockTransferNotReceived { why: Why::NotOpen {} },
        Event::StockTransferNotReceived { why: no_room },
        Event::StockTransferNotReceived { why: Why::GivenUp {} },
        Event::StockTransferNotReceived { why: Why::Aborted { reason: "late".to_owned() } },
        Event::StockTransferCompleted {},
        Event::StockTransferDestinationRefused {},
        Event::StockTransferCancelled {},
        Event::StockTransferGivenUp { phase: Phase::Receiving, error: error() },
        Event::StockTransferAborted { reason: "wrong shelf".to_owned() },
        Event::StockTransferStepFailed {
            phase: Phase::Completing,
            attempt,
            next_at,
            error: error(),
        },
        Event::StockTransferStalled { phase: Phase::Completing, error: error() },
        Event::StockTransferResumed {},
    ]
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Transfer::TYPE, &samples());
}

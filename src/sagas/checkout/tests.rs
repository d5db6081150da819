//! The two proofs of a saga, in a small world of real stock, a real order and a payment provider:
//! whatever fails, it unwinds clean; whatever is done twice, the outcome is the same.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::saga::Outcome;
use crate::testing::{
    Fault, Parties, Trial, an_abort_at_any_step_ends_it, ask, lasting_faults_unwind_clean,
    single_faults_change_nothing, steps_repeat_harmlessly,
};
use domain::commerce::order::{Buyer, Order};
use domain::id::Slot;
use domain::money::{Currency, Rate};
use domain::products::price_list::default_list;
use domain::products::stock_item::{self, StockItem};
use domain::tax::{PriceMode, UnitPrice};
use domain::testing::{Given, given, golden, noon, noon_plus, sealed_email, state_of, uuid};

const HERE: LocationId = LocationId(uuid::Uuid::from_u128(2));

fn order_id() -> AggregateId {
    AggregateId(uuid(0x0DE))
}

fn variant(number: u128) -> VariantId {
    VariantId(uuid(number))
}

fn euro(minor: i64) -> Money {
    Money::new(minor, Currency::from_code("EUR").expect("a currency"))
}

/// How the provider treats the first authorisation that it is asked for; others are approved.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Script {
    Approve,
    Decline,
    /// Nothing is answered, but the payment stands.
    TimeOutApproved,
    /// Nothing is answered, and the payment does not stand.
    TimeOutLost,
    /// Nothing is ever answered to an authorisation or a query, though the payment stands.
    Silent,
    WrongAmount,
}

#[derive(Clone, Debug, PartialEq)]
enum Standing {
    Authorized(Money),
    Declined,
    Voided,
}

/// A provider that remembers references, as [`Step::VoidPayment`] demands.
#[derive(Clone, Debug, PartialEq)]
struct Provider {
    script: Script,
    asked: bool,
    payments: BTreeMap<String, Standing>,
}

impl Provider {
    fn answer(&self, reference: &str) -> PaymentOutcome {
        match self.payments.get(reference) {
            Some(Standing::Authorized(amount)) => {
                PaymentOutcome::Approved { amount: *amount, provider: provider() }
            }
            Some(Standing::Declined | Standing::Voided) => {
                PaymentOutcome::Declined { code: "CARD_DECLINED".to_owned() }
            }
            None => PaymentOutcome::NotFound,
        }
    }

    fn authorize(&mut self, reference: &str, amount: Money) -> PaymentOutcome {
        let first = !std::mem::replace(&mut self.asked, true);
        if !self.payments.contains_key(reference) {
            let standing = match self.script {
                Script::TimeOutLost if first => return PaymentOutcome::Unknown,
                Script::Decline => Standing::Declined,
                Script::WrongAmount => Standing::Authorized(euro(1)),
                _ => Standing::Authorized(amount),
            };
            self.payments.insert(reference.to_owned(), standing);
        }
        match self.script {
            Script::TimeOutApproved if first => PaymentOutcome::Unknown,
            Script::Silent => PaymentOutcome::Unknown,
            _ => self.answer(reference),
        }
    }

    fn query(&self, reference: &str) -> PaymentOutcome {
        if self.script == Script::Silent { PaymentOutcome::Unknown } else { self.answer(reference) }
    }
}

/// The shelf, the order and the provider.
#[derive(Clone, Debug, PartialEq)]
struct Shop {
    stock: BTreeMap<AggregateId, stock_item::State>,
    order: order::State,
    provider: Provider,
}

impl Parties<Checkout> for Shop {
    fn perform(&mut self, request: Request<Command>, now: DateTime<Utc>) -> Outcome<Command> {
        match request {
            Request::Stock(call) => {
                ask(self.stock.get_mut(&call.to).expect("the shop has the stock"), call, now)
            }
            // At one time always: an order keeps when it was confirmed, and how long a fault took is
            // no difference that matters here.
            Request::Order(call) => ask(&mut self.order, call, noon()),
            Request::Checkout(_) => panic!("a checkout asks no other"),
            Request::Authorize { reference, amount, then } => {
                then(self.provider.authorize(&reference, amount))
            }
            Request::QueryPayment { reference, then } => then(self.provider.query(&reference)),
            Request::VoidPayment { reference, then } => {
                self.provider.payments.insert(reference, Standing::Voided);
                then(())
            }
            Request::Work { .. } | Request::UndoWork { .. } => panic!("a checkout is no job"),
        }
    }

    fn may_differ(first: &Outcome<Command>) -> bool {
        let unknown = |command: &Command| {
            matches!(command, Command::RecordPayment { outcome: PaymentOutcome::Unknown, .. })
        };
        matches!(first, Outcome::EndsRow(command) if unknown(command))
    }
}

/// A checkout on its way.
type World = Trial<Checkout, Shop>;

/// Three lines of two variants, `shelf` units of each; the order awaits payment.
fn world(script: Script, shelf: i64) -> World {
    let mut stock = BTreeMap::new();
    for number in [1, 2] {
        let opened = [
            stock_item::Event::StockItemOpened { variant: variant(number), location: HERE },
            stock_item::Event::StockReceived { quantity: shelf },
        ];
        stock.insert(stock_item_id(variant(number), HERE), state_of::<StockItem>(&opened));
    }
    let tax_rate = Rate::from_basis_points(1_900).expect("a rate");
    let price = UnitPrice { amount: euro(108), mode: PriceMode::Net, tax_rate };
    let add = |number, quantity| {
        order::Command::AddLine(order::Line {
            product: AggregateId(uuid(8)),
            variant: variant(number),
            location: HERE,
            quantity,
            name: "Teapot".to_owned(),
            price,
        })
    };
    let email = sealed_email("ann@example.org");
    let buyer = Buyer::Guest { email };
    let owner = buyer.owner();
    let (currency, price_list) = (euro(0).currency, default_list(euro(0).currency));
    let order = given::<Order>(order_id(), [])
        .when(order::Command::Draft { buyer, owner, currency, price_list, lines: Vec::new() })
        .accepted()
        .when(add(2, 3))
        .accepted()
        .when(add(1, 2))
        .accepted()
        .when(add(2, 1))
        .accepted()
        .when(order::Command::Place)
        .accepted()
        .state;
    let start = start(order_id(), &order).expect("the order was submitted");
    let provider = Provider { script, asked: false, payments: BTreeMap::new() };
    Trial::called_for(checkout_id(order_id()), &start, Shop { stock, order, provider })
}

impl World {
    /// Confirmed, paid, and the stock promised.
    #[track_caller]
    fn assert_completed(&self) {
        assert_eq!(self.saga.phase, Phase::Completed);
        assert_eq!(self.parties.order.status, order::Status::Confirmed);
        let total = self.parties.order.submitted.as_ref().expect("submitted").totals.gross;
        let reference = payment_reference(order_id());
        assert_eq!(
            self.parties.provider.payments,
            BTreeMap::from([(reference, Standing::Authorized(total))])
        );
        let committed: i64 = self.parties.stock.values().map(|stock| stock.committed).sum();
        let held: i64 = self.parties.stock.values().map(|stock| stock.held).sum();
        assert_eq!((committed, held), (6, 0));
    }

    /// Nothing reserved, nothing authorised, the order cancelled with the reason.
    #[track_caller]
    fn assert_unwound(&self, shelf: i64, reason: &str) {
        assert_eq!(self.saga.phase, Phase::Compensated);
        for stock in self.parties.stock.values() {
            assert_eq!((stock.held, stock.committed, stock.backordered), (0, 0, 0));
            assert_eq!(stock.on_hand, shelf);
            assert!(stock.holds.is_empty());
        }
        let authorized = |standing: &Standing| matches!(standing, Standing::Authorized(_));
        assert!(
            !self.parties.provider.payments.values().any(authorized),
            "{:?}",
            self.parties.provider
        );
        assert_eq!(self.parties.order.status, order::Status::Cancelled);
        assert_eq!(self.parties.order.cancelled_because.as_deref(), Some(reason));
    }
}

/// The worlds whose checkout ends in an undoing, and the reason that the order shows.
fn failing_worlds() -> Vec<(World, i64, &'static str)> {
    let mut foreign = world(Script::Approve, 10);
    // An order that was cancelled calls for no checkout any more.
    foreign.settle();
    foreign.parties.order = given_cancelled(&foreign.parties.order);
    vec![
        (world(Script::Approve, 3), 3, "no stock for line 3: STOCK_INSUFFICIENT"),
        (world(Script::Approve, 1), 1, "no stock for line 2: STOCK_INSUFFICIENT"),
        (world(Script::Decline, 10), 10, "payment declined: CARD_DECLINED"),
        (world(Script::WrongAmount, 10), 10, "payment authorised over another amount"),
        (world(Script::Silent, 10), 10, "given up in phase Authorizing"),
        (foreign, 10, "by the customer"),
    ]
}

/// The same order, cancelled by someone while the checkout was on its way.
fn given_cancelled(order: &order::State) -> order::State {
    let mut cancelled = order.clone();
    Order::apply(
        &mut cancelled,
        &order::Event::OrderCancelled { reason: "by the customer".to_owned() },
    );
    cancelled
}

#[test]
fn a_checkout_that_meets_no_trouble_leaves_five_events() {
    let world = world(Script::Approve, 10).run_smoothly();
    world.assert_completed();
    let lines = world.saga.lines.iter().map(|line| line.line).collect::<Vec<_>>();
    assert_eq!(lines, [2, 1, 3], "by variant, then in the order of the lines");
    let after_the_start = &world.events[1..];
    let amount = world.saga.amount.expect("started");
    assert_eq!(
        after_the_start,
        [
            Event::CheckoutStockHeld {},
            Event::PaymentAuthorized { amount, provider: provider() },
            Event::CheckoutStockCommitted {},
            Event::CheckoutOrderConfirmed {},
        ]
    );
    assert_eq!(amount, euro(386 + 257 + 129), "rounded by line");
}

#[test]
fn every_single_fault_in_turn_changes_nothing_about_a_good_end() {
    for script in [Script::Approve, Script::TimeOutApproved, Script::TimeOutLost] {
        let trial = world(script, 10);
        let smooth = trial.clone().run_smoothly();
        single_faults_change_nothing(&trial, |end| {
            end.assert_completed();
            assert_eq!(end.parties.order, smooth.parties.order, "{script:?}");
        });
    }
}

#[test]
fn every_step_that_fails_for_good_is_unwound_clean() {
    let trial = world(Script::Approve, 10);
    let confirmation = trial.clone().run_smoothly().requests - 1;
    let forward = |step: &Step| {
        !matches!(
            step,
            Step::CancelOrder { .. } | Step::VoidPayment { .. } | Step::ReleaseStock { .. }
        )
    };
    let unwound = |end: &World| {
        let reason = end.saga.reason.as_ref().expect("undone for a reason").to_string();
        assert!(reason.starts_with("given up in phase"), "{reason}");
        end.assert_unwound(10, &reason);
    };
    // A confirmation that happened, though its answer was lost, is found out.
    lasting_faults_unwind_clean(&trial, forward, unwound, World::assert_completed, confirmation);
}

#[test]
fn every_single_fault_in_turn_changes_nothing_about_an_undoing() {
    for (trial, shelf, reason) in failing_worlds() {
        single_faults_change_nothing(&trial, |end| end.assert_unwound(shelf, reason));
    }
}

#[test]
fn every_step_done_twice_has_the_same_result() {
    let good = [Script::Approve, Script::TimeOutApproved].map(|script| world(script, 10));
    let bad = failing_worlds().into_iter().map(|(world, _, _)| world);
    for trial in good.into_iter().chain(bad) {
        steps_repeat_harmlessly(&trial);
    }
}

#[test]
fn whoever_aborts_it_while_its_driver_ran_ahead_leaves_nothing_behind() {
    for script in [Script::Approve, Script::TimeOutApproved, Script::TimeOutLost] {
        an_abort_at_any_step_ends_it(&world(script, 10), |end| match end.parties.order.status {
            order::Status::Confirmed => end.assert_completed(),
            _ => end.assert_unwound(10, "aborted: enough"),
        });
    }
}

#[test]
fn holds_that_expired_meanwhile_are_not_committed() {
    let mut world = world(Script::Approve, 10);
    while world.saga.phase != Phase::CommittingStock {
        assert!(world.turn(&|_, _| None));
    }
    world.now = noon_plus(3_600);
    let world = world.run_smoothly();
    world.assert_unwound(10, "stock of line 2 lost: HOLD_EXPIRED");
}

#[test]
fn a_payment_that_a_driver_ran_ahead_to_is_voided_though_the_holds_expired_meanwhile() {
    let mut world = world(Script::Approve, 10);
    while world.parties.provider.payments.is_empty() {
        let dies = |step: &Step| matches!(step, Step::Authorize { .. });
        assert!(world.turn(&|_, step| dies(step).then_some(Fault::CrashAfter { kept: 0 })));
    }
    assert_eq!(world.saga.phase, Phase::HoldingStock, "no more than the start was recorded");
    world.now = noon_plus(3_600);
    world.run_smoothly().assert_unwound(10, "no stock for line 2: HOLD_EXPIRED");
}

#[test]
fn an_undoing_that_fails_for_long_calls_for_an_operator_and_goes_on_after() {
    let voids = std::cell::Cell::new(0);
    let world = world(Script::WrongAmount, 10).run(&|_, step| {
        let void = matches!(step, Step::VoidPayment { .. });
        voids.set(voids.get() + u32::from(void));
        (void && voids.get() <= COMPENSATION.attempts_max).then_some(Fault::Fails)
    });
    assert_eq!(world.stalls, 1);
    world.assert_unwound(10, "payment authorised over another amount");
    assert!(world.now < noon_plus(24 * 3_600));
}

#[test]
fn the_pauses_double_up_to_their_bound() {
    let world = world(Script::Silent, 10).run_smoothly();
    let mut at = noon();
    let mut pauses = Vec::new();
    for event in &world.events {
        if let Event::PaymentUnknown { next_at, .. } = event {
            pauses.push((*next_at - at).num_seconds());
            at = *next_at;
        }
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60]);
}

#[test]
fn an_order_that_costs_nothing_asks_no_provider() {
    let priced = world(Script::Decline, 10);
    let (order, amount) = (order_id(), euro(0));
    let (customer, lines) = (CustomerId(uuid(0xA)), priced.saga.lines.iter().copied().collect());
    let start = Command::Start { order, customer, amount, lines };
    let world = World::new(checkout_id(order_id()), &start, priced.parties).run_smoothly();
    assert_eq!(world.saga.phase, Phase::Completed);
    assert!(world.parties.provider.payments.is_empty());
}

/// A checkout that the events of `phase` led to.
fn checkout(events: &[Event]) -> Given<Checkout> {
    given(checkout_id(order_id()), [&[started()], events].concat())
}

fn line(number: u32, quantity: i64) -> Line {
    Line { line: number, variant: variant(1), location: HERE, quantity }
}

fn started() -> Event {
    Event::CheckoutStarted {
        order: order_id(),
        customer: CustomerId(uuid(0xA)),
        amount: euro(386),
        lines: vec![line(1, 3)],
    }
}

fn start_with(amount: Money, lines: Vec<Line>) -> Command {
    Command::Start { order: order_id(), customer: CustomerId(uuid(0xA)), amount, lines }
}

fn payment(outcome: PaymentOutcome) -> Command {
    Command::RecordPayment { reference: payment_reference(order_id()), outcome }
}

fn provider() -> Arc<str> {
    "a provider".into()
}

fn authorized() -> Event {
    Event::PaymentAuthorized { amount: euro(386), provider: provider() }
}

fn approved(minor: i64) -> Command {
    payment(PaymentOutcome::Approved { amount: euro(minor), provider: provider() })
}

fn declined() -> Command {
    payment(PaymentOutcome::Declined { code: "CARD_DECLINED".to_owned() })
}

#[test]
fn a_checkout_is_started_once_and_only_with_sense() {
    let fresh = || given::<Checkout>(checkout_id(order_id()), []);
    assert_eq!(Checkout::next(&State::default(), noon()), Next::Done);
    fresh().when(Command::RecordStockHeld).refused("CHECKOUT_NOT_FOUND");
    fresh()
        .when(start_with(euro(386), vec![line(1, 3)]))
        .then([started()])
        .when(start_with(euro(386), vec![line(1, 3)]))
        .then([])
        .when(start_with(euro(387), vec![line(1, 3)]))
        .refused("CHECKOUT_EXISTS");
    given::<Checkout>(order_id(), [])
        .when(start_with(euro(1), vec![line(1, 1)]))
        .refused("ID_MISMATCH");
    let too_many = (0..=order::LINES_MAX as u32).map(|number| line(number, 1)).collect();
    for (minor, lines) in [
        (1, vec![]),
        (1, vec![line(1, 0)]),
        (1, vec![line(1, i64::MIN)]),
        (1, vec![line(1, 1), line(1, 1)]),
        (-1, vec![line(1, 1)]),
        (1, too_many),
    ] {
        fresh().when(start_with(euro(minor), lines)).refused("INVALID_CHECKOUT");
    }
}

#[test]
fn records_that_come_late_change_nothing_and_early_ones_are_refused() {
    checkout(&[])
        .when(approved(386))
        .then([])
        .when(Command::RecordStockCommitted)
        .refused("INVALID_TRANSITION")
        .when(Command::RecordStockHeld)
        .then([Event::CheckoutStockHeld {}])
        .when(Command::RecordStockHeld)
        .then([])
        .when(Command::RecordFailure {
            phase: Phase::HoldingStock,
            error: "UNAVAILABLE".to_owned(),
        })
        .then([])
        .when(Command::RecordOrderCancelled)
        .refused("INVALID_TRANSITION")
        .when(approved(386))
        .then([authorized()]);
}

#[test]
fn a_payment_answered_twice_is_one_payment_and_a_contradiction_is_an_error() {
    let paid = checkout(&[Event::CheckoutStockHeld {}]).when(approved(386)).accepted();
    paid.when(approved(386))
        .then([])
        .when(approved(387))
        .refused("PAYMENT_CONFLICT")
        .when(declined())
        .refused("PAYMENT_CONFLICT")
        .when(Command::RecordPayment {
            reference: "another".to_owned(),
            outcome: PaymentOutcome::Unknown,
        })
        .refused("PAYMENT_MISMATCH");
}

/// So that both are written by one lane, in one statement.
#[test]
fn a_checkout_lives_where_its_order_does() {
    for number in 0..1_000 {
        let order = AggregateId::drawn(number, Slot::new(number as u16 * 17), number);
        let checkout = checkout_id(order);
        assert_eq!(checkout.slot(), order.slot());
        assert!(checkout.is_well_formed());
        assert_ne!(checkout, order);
    }
}

#[test]
fn a_reference_names_its_checkout() {
    let reference = payment_reference(order_id());
    assert_eq!(checkout_of(&reference), Some(checkout_id(order_id())));
    for foreign in ["", "checkout-", "checkout-1", "order-1", &reference[1..]] {
        assert_eq!(checkout_of(foreign), None, "{foreign}");
    }
}

#[test]
fn a_payment_of_unknown_outcome_is_asked_after_and_only_then_asked_for_again() {
    let reference = payment_reference(order_id());
    let query = Step::QueryPayment { reference: reference.clone() };
    let authorize = Step::Authorize { reference, amount: euro(386) };
    let waiting = checkout(&[Event::CheckoutStockHeld {}]);
    assert_eq!(Checkout::next(&waiting.state, noon()), Next::Do(vec![authorize.clone()]));
    let unknown = waiting.when(payment(PaymentOutcome::Unknown)).accepted();
    assert_eq!(
        Checkout::next(&unknown.state, noon()),
        Next::Wait { until: noon_plus(1), pause: Duration::from_secs(1) }
    );
    assert_eq!(Checkout::next(&unknown.state, noon_plus(1)), Next::Do(vec![query]));
    let unheard = unknown.when(payment(PaymentOutcome::NotFound)).accepted();
    assert_eq!(Checkout::next(&unheard.state, noon_plus(2)), Next::Do(vec![authorize]));
}

#[test]
fn a_retry_ends_a_pause_and_says_where_there_is_none() {
    let waiting =
        checkout(&[Event::CheckoutStockHeld {}]).when(payment(PaymentOutcome::Unknown)).accepted();
    let again = waiting.when(Command::Retry).then([Event::CheckoutResumed {}]);
    assert!(matches!(Checkout::next(&again.state, noon()), Next::Do(_)));
    again.when(Command::Retry).refused("SAGA_UNDERWAY");
    let over = checkout(&[Event::CheckoutStockHeld {}, Event::CheckoutOrderConfirmed {}]);
    over.when(Command::Retry).refused("INVALID_TRANSITION");
}

#[test]
fn an_approval_that_comes_after_the_end_is_voided_too() {
    let undone = checkout(&[Event::CheckoutStockHeld {}])
        .when(declined())
        .then([Event::PaymentDeclined { code: "CARD_DECLINED".to_owned() }])
        .when(declined())
        .then([])
        .when(Command::RecordOrderCancelled)
        .accepted()
        .when(Command::RecordStockReleased)
        .accepted();
    assert_eq!(undone.state.phase, Phase::Compensated, "a declined payment needs no void");
    let late = undone.when(approved(386)).then([authorized()]);
    let void = Step::VoidPayment { reference: payment_reference(order_id()) };
    assert_eq!(Checkout::next(&late.state, noon()), Next::Do(vec![void]));
    let voided = late.when(Command::RecordPaymentVoided).accepted();
    voided.when(approved(386)).then([]);
}

#[test]
fn anyone_may_abort_until_it_is_completed() {
    let abort = || Command::Abort { reason: "shop closed".to_owned() };
    checkout(&[])
        .when(abort())
        .then([Event::CheckoutAborted { reason: "shop closed".to_owned() }])
        .when(abort())
        .then([]);
    let all = [
        Event::CheckoutStockHeld {},
        authorized(),
        Event::CheckoutStockCommitted {},
        Event::CheckoutOrderConfirmed {},
    ];
    checkout(&all).when(abort()).refused("INVALID_TRANSITION");
    checkout(&[]).when(Command::Abort { reason: String::new() }).refused("INVALID_TEXT");
}

fn samples() -> Vec<Event> {
    // A code as it was given when these events were first stored: a journal keeps what it was told.
    let (code, next_at, attempt) = ("INSUFFICIENT_STOCK".to_owned(), noon_plus(4), 3);
    let error = || "UNAVAILABLE".to_owned();
    vec![
        started(),
        Event::CheckoutStockHeld {},
        Event::CheckoutStockRefused { line: 1, code: code.clone(), held_before: false },
        authorized(),
        Event::PaymentMismatched { amount: euro(1), provider: provider() },
        Event::PaymentDeclined { code: "CARD_DECLINED".to_owned() },
        Event::PaymentUnknown { attempt, next_at },
        Event::PaymentNotFound { attempt, next_at },
        Event::CheckoutStockCommitted {},
        Event::CheckoutCommitRefused { line: 1, code: code.clone() },
        Event::CheckoutOrderConfirmed {},
        Event::CheckoutOrderRefused { code },
        Event::StepFailed { phase: Phase::Voiding, attempt, next_at, error: error() },
        Event::CheckoutGivenUp { phase: Phase::Authorizing, error: error() },
        Event::CheckoutAborted { reason: "shop closed".to_owned() },
        Event::CheckoutOrderCancelled {},
        Event::PaymentVoided {},
        Event::CheckoutStockReleased {},
        Event::CheckoutStalled { phase: Phase::Voiding, error: error() },
        Event::CheckoutResumed {},
    ]
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Checkout::TYPE, &samples());
}

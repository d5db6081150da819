//! The two proofs of a saga, in a small world of real stock, a real order and a payment provider:
//! whatever fails, it unwinds clean; whatever is done twice, the outcome is the same.

use std::collections::BTreeMap;

use super::*;
use domain::aggregate::Refusal as _;
use domain::commerce::order::{Buyer, Order};
use domain::money::{Currency, Rate};
use domain::products::stock_item::{self, StockItem};
use domain::testing::{Given, context, given, golden, noon, noon_plus, state_of, uuid};

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
            Some(Standing::Authorized(amount)) => PaymentOutcome::Approved { amount: *amount },
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

/// What goes wrong with one request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    /// It was not performed, and the driver knows.
    Fails,
    /// It was performed; the driver hears of a failure.
    AnswerLost,
    /// The driver dies before it; another goes on.
    CrashBefore,
    /// The driver dies after it, before anything was recorded.
    CrashAfter,
    /// It was performed twice.
    Twice,
}

const FAULTS: [Fault; 5] =
    [Fault::Fails, Fault::AnswerLost, Fault::CrashBefore, Fault::CrashAfter, Fault::Twice];

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Done,
    Refused { code: String, order: Option<order::Refusal> },
    Payment(PaymentOutcome),
}

type FaultOf<'a> = &'a dyn Fn(usize, &Step) -> Option<Fault>;

#[derive(Clone)]
struct World {
    now: chrono::DateTime<chrono::Utc>,
    stock: BTreeMap<AggregateId, stock_item::State>,
    order: order::State,
    provider: Provider,
    saga: State,
    events: Vec<Event>,
    requests: usize,
    stalls: usize,
}

impl World {
    /// Three lines of two variants, `shelf` units of each; the order awaits payment.
    fn new(script: Script, shelf: i64) -> Self {
        let mut stock = BTreeMap::new();
        for number in [1, 2] {
            let opened = [
                stock_item::Event::StockItemOpened { variant: variant(number), location: HERE },
                stock_item::Event::StockReceived { quantity: shelf },
            ];
            stock.insert(stock_item_id(variant(number), HERE), state_of::<StockItem>(&opened));
        }
        let add = |number, quantity| order::Command::AddLine {
            variant: variant(number),
            location: HERE,
            quantity,
            name: "Teapot".to_owned(),
            unit_price: euro(108),
            tax_rate: Rate::from_basis_points(1_900).expect("a rate"),
        };
        let buyer = Buyer::Guest { email: "ann@example.org".to_owned() };
        let order = given::<Order>(order_id(), [])
            .when(order::Command::Draft { buyer, currency: euro(0).currency, lines: Vec::new() })
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
        let provider = Provider { script, asked: false, payments: BTreeMap::new() };
        let (saga, events) = (State::default(), Vec::new());
        let mut world =
            Self { now: noon(), stock, order, provider, saga, events, requests: 0, stalls: 0 };
        let start = start(order_id(), &world.order).expect("the order was submitted");
        world.record(&start);
        world
    }

    fn record(&mut self, command: &Command) {
        let context = context(checkout_id(order_id()), self.now, self.events.len() as u64);
        let events = Checkout::decide(&self.saga, command, &context)
            .unwrap_or_else(|refusal| panic!("{command:?} in {:?}: {refusal}", self.saga.phase));
        events.iter().for_each(|event| Checkout::apply(&mut self.saga, event));
        self.events.extend(events);
    }

    fn perform(&mut self, request: Request) -> Answer {
        match request {
            Request::Stock(id, command) => {
                let state = self.stock.get_mut(&id).expect("the world has the stock");
                match StockItem::decide(state, &command, &context(id, self.now, 0)) {
                    Ok(events) => {
                        events.iter().for_each(|event| StockItem::apply(state, event));
                        Answer::Done
                    }
                    Err(refusal) => {
                        Answer::Refused { code: refusal.code().to_owned(), order: None }
                    }
                }
            }
            Request::Order(id, command) => {
                match Order::decide(&self.order, &command, &context(id, self.now, 0)) {
                    Ok(events) => {
                        events.iter().for_each(|event| Order::apply(&mut self.order, event));
                        Answer::Done
                    }
                    Err(refusal) => {
                        Answer::Refused { code: refusal.code().to_owned(), order: Some(refusal) }
                    }
                }
            }
            Request::Authorize { reference, amount } => {
                Answer::Payment(self.provider.authorize(&reference, amount))
            }
            Request::QueryPayment { reference } => Answer::Payment(self.provider.query(&reference)),
            Request::VoidPayment { reference } => {
                self.provider.payments.insert(reference, Standing::Voided);
                Answer::Done
            }
        }
    }

    /// Performs what is next, as a driver would; false when there is nothing any more.
    fn turn(&mut self, fault_of: FaultOf<'_>) -> bool {
        let steps = match next(&self.saga, self.now) {
            Next::Done => return false,
            Next::Wait { until } => {
                self.now = until;
                return true;
            }
            Next::Stalled => {
                self.stalls += 1;
                self.record(&Command::Retry);
                return true;
            }
            Next::Do(steps) => steps,
        };
        let phase = self.saga.phase;
        let mut record = None;
        for step in &steps {
            let fault = fault_of(self.requests, step);
            self.requests += 1;
            match fault {
                Some(Fault::Fails) => return self.fail(phase),
                Some(Fault::CrashBefore) => return true,
                Some(Fault::AnswerLost) => {
                    self.perform(step.request());
                    return self.fail(phase);
                }
                Some(Fault::CrashAfter) => {
                    self.perform(step.request());
                    return true;
                }
                Some(Fault::Twice) => {
                    let first = self.perform(step.request());
                    let second = self.perform(step.request());
                    if !matches!(first, Answer::Payment(PaymentOutcome::Unknown)) {
                        assert_eq!(first, second, "{step:?} twice");
                    }
                    record = Some(outcome_of(step, second));
                }
                None => record = Some(outcome_of(step, self.perform(step.request()))),
            }
            // The row ends with the first refusal.
            let refused = matches!(
                record,
                Some(Command::RecordStockRefused { .. } | Command::RecordCommitRefused { .. })
            );
            if refused {
                break;
            }
        }
        self.record(&record.expect("a row has a step"));
        true
    }

    fn fail(&mut self, phase: Phase) -> bool {
        self.record(&Command::RecordFailure { phase });
        true
    }

    fn run(mut self, fault_of: FaultOf<'_>) -> Self {
        for _ in 0..2_000 {
            if !self.turn(fault_of) {
                return self;
            }
        }
        panic!("the checkout does not end: {:?}", self.saga);
    }

    /// Confirmed, paid, and the stock promised.
    #[track_caller]
    fn assert_completed(&self) {
        assert_eq!(self.saga.phase, Phase::Completed);
        assert_eq!(self.order.status, order::Status::Confirmed);
        let total = self.order.submitted.expect("submitted").gross;
        let reference = payment_reference(order_id());
        assert_eq!(
            self.provider.payments,
            BTreeMap::from([(reference, Standing::Authorized(total))])
        );
        let committed: i64 = self.stock.values().map(|stock| stock.committed).sum();
        let held: i64 = self.stock.values().map(|stock| stock.held).sum();
        assert_eq!((committed, held), (6, 0));
    }

    /// Nothing reserved, nothing authorised, the order cancelled with the reason.
    #[track_caller]
    fn assert_unwound(&self, shelf: i64, reason: &str) {
        assert_eq!(self.saga.phase, Phase::Compensated);
        for stock in self.stock.values() {
            assert_eq!((stock.held, stock.committed, stock.backordered), (0, 0, 0));
            assert_eq!(stock.on_hand, shelf);
            assert!(stock.holds.is_empty());
        }
        let authorized = |standing: &Standing| matches!(standing, Standing::Authorized(_));
        assert!(!self.provider.payments.values().any(authorized), "{:?}", self.provider);
        assert_eq!(self.order.status, order::Status::Cancelled);
        assert_eq!(self.order.cancelled_because.as_deref(), Some(reason));
    }
}

/// What a driver records when a step was answered.
fn outcome_of(step: &Step, answer: Answer) -> Command {
    match (step, answer) {
        (Step::HoldStock { .. }, Answer::Done) => Command::RecordStockHeld,
        (Step::HoldStock { line, .. }, Answer::Refused { code, .. }) => {
            Command::RecordStockRefused { line: line.line, code }
        }
        (Step::CommitStock { .. }, Answer::Done) => Command::RecordStockCommitted,
        (Step::CommitStock { line, .. }, Answer::Refused { code, .. }) => {
            Command::RecordCommitRefused { line: line.line, code }
        }
        (
            Step::Authorize { reference, .. } | Step::QueryPayment { reference },
            Answer::Payment(outcome),
        ) => Command::RecordPayment { reference: reference.clone(), outcome },
        (Step::ConfirmOrder { .. }, Answer::Done) => Command::RecordOrderConfirmed,
        (Step::ConfirmOrder { .. }, Answer::Refused { code, .. }) => {
            Command::RecordOrderRefused { code }
        }
        (Step::CancelOrder { .. }, Answer::Done) => Command::RecordOrderCancelled,
        (Step::CancelOrder { .. }, Answer::Refused { order: Some(refusal), .. }) => {
            cancel_refused(&refusal)
        }
        (Step::VoidPayment { .. }, Answer::Done) => Command::RecordPaymentVoided,
        (Step::ReleaseStock { .. }, Answer::Done) => Command::RecordStockReleased,
        (step, answer) => panic!("{step:?} answered {answer:?}"),
    }
}

fn nothing_fails(_: usize, _: &Step) -> Option<Fault> {
    None
}

/// The worlds whose checkout ends in an undoing, and the reason that the order shows.
fn failing_worlds() -> Vec<(World, i64, &'static str)> {
    let mut foreign = World::new(Script::Approve, 10);
    foreign.order = given_cancelled(&foreign.order);
    vec![
        (World::new(Script::Approve, 3), 3, "no stock for line 3: INSUFFICIENT_STOCK"),
        (World::new(Script::Approve, 1), 1, "no stock for line 2: INSUFFICIENT_STOCK"),
        (World::new(Script::Decline, 10), 10, "payment declined: CARD_DECLINED"),
        (World::new(Script::WrongAmount, 10), 10, "payment authorised over another amount"),
        (World::new(Script::Silent, 10), 10, "given up in phase Authorizing"),
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
    let world = World::new(Script::Approve, 10).run(&nothing_fails);
    world.assert_completed();
    let lines = world.saga.lines.iter().map(|line| line.line).collect::<Vec<_>>();
    assert_eq!(lines, [2, 1, 3], "by variant, then in the order of the lines");
    let after_the_start = &world.events[1..];
    let amount = world.saga.amount.expect("started");
    assert_eq!(
        after_the_start,
        [
            Event::CheckoutStockHeld {},
            Event::PaymentAuthorized { amount },
            Event::CheckoutStockCommitted {},
            Event::CheckoutOrderConfirmed {},
        ]
    );
    assert_eq!(amount, euro(386 + 257 + 129), "rounded by line");
}

#[test]
fn every_single_fault_in_turn_changes_nothing_about_a_good_end() {
    for script in [Script::Approve, Script::TimeOutApproved, Script::TimeOutLost] {
        let smooth = World::new(script, 10).run(&nothing_fails);
        smooth.assert_completed();
        for at in 0..smooth.requests {
            for fault in FAULTS {
                let world =
                    World::new(script, 10).run(&|request, _| (request == at).then_some(fault));
                world.assert_completed();
                assert_eq!(world.order, smooth.order, "{fault:?} at {at}, {script:?}");
            }
        }
    }
}

#[test]
fn every_step_that_fails_for_good_is_unwound_clean() {
    // From the request on, everything forward fails for ever, in each of the ways.
    let forward = |step: &Step| {
        !matches!(
            step,
            Step::CancelOrder { .. } | Step::VoidPayment { .. } | Step::ReleaseStock { .. }
        )
    };
    let smooth = World::new(Script::Approve, 10).run(&nothing_fails);
    for at in 0..smooth.requests {
        for fault in [Fault::Fails, Fault::AnswerLost] {
            let world = World::new(Script::Approve, 10)
                .run(&|request, step| (request >= at && forward(step)).then_some(fault));
            // A confirmation that happened, though its answer was lost, is found out.
            let confirms = fault == Fault::AnswerLost && at == smooth.requests - 1;
            if confirms {
                world.assert_completed();
                continue;
            }
            let reason = world.saga.reason.as_ref().expect("undone for a reason").to_string();
            assert!(reason.starts_with("given up in phase"), "{reason}");
            world.assert_unwound(10, &reason);
        }
    }
}

#[test]
fn every_single_fault_in_turn_changes_nothing_about_an_undoing() {
    for (world, shelf, reason) in failing_worlds() {
        let smooth = world.clone().run(&nothing_fails);
        smooth.assert_unwound(shelf, reason);
        for at in 0..smooth.requests {
            for fault in FAULTS {
                let world = world.clone().run(&|request, _| (request == at).then_some(fault));
                world.assert_unwound(shelf, reason);
            }
        }
    }
}

#[test]
fn every_step_done_twice_has_the_same_result() {
    let good = [Script::Approve, Script::TimeOutApproved].map(|script| World::new(script, 10));
    let bad = failing_worlds().into_iter().map(|(world, _, _)| world);
    for world in good.into_iter().chain(bad) {
        let once = world.clone().run(&nothing_fails);
        let twice = world.run(&|_, _| Some(Fault::Twice));
        assert_eq!(twice.order, once.order);
        assert_eq!(twice.stock, once.stock);
        assert_eq!(twice.provider, once.provider);
        assert_eq!(twice.saga.phase, once.saga.phase);
    }
}

#[test]
fn holds_that_expired_meanwhile_are_not_committed() {
    let mut world = World::new(Script::Approve, 10);
    while world.saga.phase != Phase::CommittingStock {
        assert!(world.turn(&nothing_fails));
    }
    world.now = noon_plus(3_600);
    let world = world.run(&nothing_fails);
    world.assert_unwound(10, "stock of line 2 lost: HOLD_EXPIRED");
}

#[test]
fn an_undoing_that_fails_for_long_calls_for_an_operator_and_goes_on_after() {
    let voids = std::cell::Cell::new(0);
    let world = World::new(Script::WrongAmount, 10).run(&|_, step| {
        let void = matches!(step, Step::VoidPayment { .. });
        voids.set(voids.get() + u32::from(void));
        (void && voids.get() <= COMPENSATION_ATTEMPTS_MAX).then_some(Fault::Fails)
    });
    assert_eq!(world.stalls, 1);
    world.assert_unwound(10, "payment authorised over another amount");
    assert!(world.now < noon_plus(24 * 3_600));
}

#[test]
fn the_pauses_double_up_to_their_bound() {
    let world = World::new(Script::Silent, 10).run(&nothing_fails);
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
    let mut world = World::new(Script::Decline, 10);
    world.saga.amount = Some(euro(0));
    let world = world.run(&nothing_fails);
    assert_eq!(world.saga.phase, Phase::Completed);
    assert!(world.provider.payments.is_empty());
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

fn approved(minor: i64) -> Command {
    payment(PaymentOutcome::Approved { amount: euro(minor) })
}

fn declined() -> Command {
    payment(PaymentOutcome::Declined { code: "CARD_DECLINED".to_owned() })
}

#[test]
fn a_checkout_is_started_once_and_only_with_sense() {
    let fresh = || given::<Checkout>(checkout_id(order_id()), []);
    assert_eq!(next(&State::default(), noon()), Next::Done);
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
        .refused("WRONG_IDENTITY");
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
        .refused("ILLEGAL_TRANSITION")
        .when(Command::RecordStockCommitted)
        .refused("ILLEGAL_TRANSITION")
        .when(Command::RecordStockHeld)
        .then([Event::CheckoutStockHeld {}])
        .when(Command::RecordStockHeld)
        .then([])
        .when(Command::RecordFailure { phase: Phase::HoldingStock })
        .then([])
        .when(Command::RecordOrderCancelled)
        .refused("ILLEGAL_TRANSITION")
        .when(approved(386))
        .then([Event::PaymentAuthorized { amount: euro(386) }]);
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
        .refused("FOREIGN_PAYMENT");
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
    assert_eq!(next(&waiting.state, noon()), Next::Do(vec![authorize.clone()]));
    let unknown = waiting.when(payment(PaymentOutcome::Unknown)).accepted();
    assert_eq!(next(&unknown.state, noon()), Next::Wait { until: noon_plus(1) });
    assert_eq!(next(&unknown.state, noon_plus(1)), Next::Do(vec![query]));
    let unheard = unknown.when(payment(PaymentOutcome::NotFound)).accepted();
    assert_eq!(next(&unheard.state, noon_plus(2)), Next::Do(vec![authorize]));
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
    let late = undone.when(approved(386)).then([Event::PaymentAuthorized { amount: euro(386) }]);
    let void = Step::VoidPayment { reference: payment_reference(order_id()) };
    assert_eq!(next(&late.state, noon()), Next::Do(vec![void]));
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
        Event::PaymentAuthorized { amount: euro(386) },
        Event::CheckoutStockCommitted {},
        Event::CheckoutOrderConfirmed {},
    ];
    checkout(&all).when(abort()).refused("ILLEGAL_TRANSITION");
    checkout(&[]).when(Command::Abort { reason: String::new() }).refused("INVALID_TEXT");
}

fn samples() -> Vec<Event> {
    let (code, next_at, attempt) = ("INSUFFICIENT_STOCK".to_owned(), noon_plus(4), 3);
    vec![
        started(),
        Event::CheckoutStockHeld {},
        Event::CheckoutStockRefused { line: 1, code: code.clone() },
        Event::PaymentAuthorized { amount: euro(386) },
        Event::PaymentMismatched { amount: euro(1) },
        Event::PaymentDeclined { code: "CARD_DECLINED".to_owned() },
        Event::PaymentUnknown { attempt, next_at },
        Event::PaymentNotFound { attempt, next_at },
        Event::CheckoutStockCommitted {},
        Event::CheckoutCommitRefused { line: 1, code: code.clone() },
        Event::CheckoutOrderConfirmed {},
        Event::CheckoutOrderRefused { code },
        Event::StepFailed { phase: Phase::Voiding, attempt, next_at },
        Event::CheckoutGivenUp { phase: Phase::Authorizing },
        Event::CheckoutAborted { reason: "shop closed".to_owned() },
        Event::CheckoutOrderCancelled {},
        Event::PaymentVoided {},
        Event::CheckoutStockReleased {},
        Event::CheckoutStalled { phase: Phase::Voiding },
        Event::CheckoutResumed {},
    ]
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Checkout::TYPE, &samples());
}

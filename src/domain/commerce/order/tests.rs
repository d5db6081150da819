//! Given / when / then for orders, the whole table of transitions, and sums of random lines.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::aggregate::Refusal as _;
use crate::id::{AggregateId, CustomerId, LocationId, VariantId};
use crate::money::{Money, Rate};
use crate::products::price_list::default_list;
use crate::tax::PriceMode;
use crate::testing::{Given, context, given, golden, noon, sealed_email, state_of, uuid};

fn money(minor: i64, code: &str) -> Money {
    Money::new(minor, Currency::from_code(code).expect("a currency"))
}

fn euro() -> Currency {
    money(0, "EUR").currency
}

fn rate(basis_points: u32) -> Rate {
    Rate::from_basis_points(basis_points).expect("a rate")
}

fn buyer() -> Buyer {
    Buyer::Customer { id: CustomerId(uuid(0xA)) }
}

fn prices_of(code: &str) -> PriceListId {
    default_list(money(0, code).currency)
}

fn drafted() -> Event {
    let (buyer, owner) = (buyer(), buyer().owner());
    let (currency, price_list) = (euro(), prices_of("EUR"));
    let expires_at = noon() + TimeDelta::days(DRAFT_DAYS);
    Event::OrderDrafted { buyer, owner, currency, price_list, expires_at, at: noon() }
}

/// The command that drafts an order in a currency at the prices of its default list.
fn draft(code: &str, lines: Vec<Line>) -> Command {
    let (currency, price_list) = (money(0, code).currency, prices_of(code));
    Command::Draft { buyer: buyer(), owner: buyer().owner(), currency, price_list, lines }
}

fn order(events: impl IntoIterator<Item = Event>) -> Given<Order> {
    given(AggregateId(uuid(9)), events)
}

fn price(amount: Money, tax_rate: Rate) -> UnitPrice {
    UnitPrice { amount, mode: PriceMode::Net, tax_rate }
}

fn line(quantity: i64, price: UnitPrice) -> Line {
    let (variant, location) = (VariantId(uuid(1)), LocationId(uuid(2)));
    let (product, name) = (AggregateId(uuid(0xB)), "Teapot".to_owned());
    Line { product, variant, location, quantity, name, price }
}

fn add(quantity: i64, unit_price: Money, tax_rate: Rate) -> Command {
    Command::AddLine(line(quantity, price(unit_price, tax_rate)))
}

fn added(number: u32, quantity: i64, unit_price: Money, tax_rate: Rate) -> Event {
    Event::OrderLineAdded { number, line: line(quantity, price(unit_price, tax_rate)) }
}

/// What the lines of a rate come to.
fn taxed(basis_points: u32, net_minor: i64, tax_minor: i64) -> RateTotals {
    RateTotals { rate: rate(basis_points), net_minor, tax_minor }
}

fn totals(net: i64, tax: i64) -> Totals {
    Totals { net: money(net, "EUR"), tax: money(tax, "EUR"), gross: money(net + tax, "EUR") }
}

fn submitted() -> Event {
    let taxes = vec![taxed(1_900, 324, 62)];
    Event::OrderSubmitted { lines: 1, totals: totals(324, 62), taxes, at: noon() }
}

fn placed() -> Event {
    Event::OrderPlaced { payment_reference: "pay-1".to_owned() }
}

fn confirm(reference: &str) -> Command {
    Command::Confirm { payment_reference: reference.to_owned() }
}

fn cancel() -> Command {
    Command::Cancel { reason: "changed my mind".to_owned() }
}

/// The events that bring an order to a status, one line in it.
fn history(status: Status) -> Vec<Event> {
    let line = added(1, 3, money(108, "EUR"), rate(1_900));
    let pending = [drafted(), line.clone(), submitted()];
    let with = |more: &[Event]| [&pending[..], more].concat();
    match status {
        Status::Draft => vec![drafted(), line],
        Status::PendingPayment => with(&[]),
        Status::Placed => with(&[placed()]),
        Status::Confirmed => with(&[placed(), Event::OrderConfirmed { at: noon() }]),
        Status::Completed => {
            with(&[placed(), Event::OrderConfirmed { at: noon() }, Event::OrderCompleted {}])
        }
        Status::Cancelled => {
            with(&[Event::OrderCancelled { reason: "changed my mind".to_owned() }])
        }
        Status::Expired => with(&[Event::OrderExpired {}]),
    }
}

const STATUSES: [Status; 7] = [
    Status::Draft,
    Status::PendingPayment,
    Status::Placed,
    Status::Confirmed,
    Status::Completed,
    Status::Cancelled,
    Status::Expired,
];

#[test]
fn an_order_is_drafted_once() {
    let at_other_prices = Command::Draft {
        buyer: buyer(),
        owner: buyer().owner(),
        currency: euro(),
        price_list: PriceListId(uuid(7)),
        lines: Vec::new(),
    };
    let owner = Owner::Account { id: AggregateId(uuid(8)) };
    let (currency, price_list) = (euro(), prices_of("EUR"));
    let lines = Vec::new();
    let for_an_account = Command::Draft { buyer: buyer(), owner, currency, price_list, lines };
    order([])
        .when(Command::Place)
        .refused("ORDER_NOT_FOUND")
        .when(draft("EUR", Vec::new()))
        .then([drafted()])
        .when(draft("EUR", Vec::new()))
        .then([])
        .when(draft("USD", Vec::new()))
        .refused("ORDER_EXISTS")
        .when(at_other_prices)
        .refused("ORDER_EXISTS")
        .when(for_an_account)
        .refused("ORDER_EXISTS");
}

#[test]
fn an_order_is_drafted_with_all_its_lines_or_not_at_all() {
    let line = |quantity, code: &str| line(quantity, price(money(108, code), rate(1_900)));
    let draft = |lines| draft("EUR", lines);
    let line_added = |number, quantity| added(number, quantity, money(108, "EUR"), rate(1_900));
    order([])
        .when(draft(vec![line(1, "EUR"), line(0, "EUR")]))
        .refused("INVALID_QUANTITY")
        .when(draft(vec![line(1, "EUR"), line(1, "USD")]))
        .refused("CURRENCY_MISMATCH")
        .when(draft(vec![line(1, "EUR"); LINES_MAX + 1]))
        .refused("LIMIT_REACHED")
        .when(draft(vec![line(1, "EUR"), line(2, "EUR")]))
        .then([drafted(), line_added(1, 1), line_added(2, 2)])
        .when(draft(vec![line(1, "EUR")]))
        .refused("ORDER_EXISTS")
        .when(draft(Vec::new()))
        .then([]);
}

#[test]
fn a_guest_has_an_address_and_is_one_customer_however_it_is_written() {
    let guest = |email: &str| Buyer::Guest { email: sealed_email(email) };
    let (buyer, currency) = (guest("ann@example.org"), euro());
    let (owner, price_list) = (buyer.owner(), prices_of("EUR"));
    let command = Command::Draft { buyer, owner, currency, price_list, lines: Vec::new() };
    order([]).when(command).accepted();
    assert_eq!(guest("Ann@Example.org").customer_id(), guest("ann@example.org").customer_id());
    assert_ne!(guest("bob@example.org").customer_id(), guest("ann@example.org").customer_id());
}

#[test]
fn tax_is_rounded_by_line() {
    let item = order([drafted()]).when(add(3, money(108, "EUR"), rate(1_900))).then([added(
        1,
        3,
        money(108, "EUR"),
        rate(1_900),
    )]);
    let comes_to = |state: &State| state.sums().map(|sums| sums.totals);
    assert_eq!(comes_to(&item.state), Some(totals(324, 62)), "3.86, not 3.87");
    let item = item.when(add(1, money(250, "EUR"), rate(700))).accepted();
    assert_eq!(comes_to(&item.state), Some(totals(574, 80)), "17.5 becomes the even 18");
    let taxes = vec![taxed(700, 250, 18), taxed(1_900, 324, 62)];
    let placed = Event::OrderSubmitted { lines: 2, totals: totals(574, 80), taxes, at: noon() };
    item.when(Command::Place).then([placed]);
}

#[test]
fn a_gross_price_is_charged_as_it_is_written() {
    let gross = |minor, basis_points| UnitPrice {
        mode: PriceMode::Gross,
        ..price(money(minor, "EUR"), rate(basis_points))
    };
    let line = |quantity, price| Command::AddLine(line(quantity, price));
    let item = order([drafted()])
        .when(line(1, gross(1_500, 1_900)))
        .accepted()
        .when(line(3, gross(199, 700)))
        .accepted()
        .when(line(1, gross(1_500, 1_900)))
        .accepted();
    let taxes = vec![taxed(700, 558, 39), taxed(1_900, 2_522, 478)];
    let frozen = Event::OrderSubmitted { lines: 3, totals: totals(3_080, 517), taxes, at: noon() };
    let placed = item.when(Command::Place).then([frozen]);
    assert_eq!(placed.state.submitted.expect("placed").totals.gross, money(3_597, "EUR"));
}

#[test]
fn a_draft_is_good_for_a_month_and_no_change_makes_it_longer() {
    let over = noon() + TimeDelta::days(DRAFT_DAYS);
    let just_before = over - TimeDelta::microseconds(1);
    let change = |quantity| Command::ChangeLine { line: 1, quantity };
    let item = order(history(Status::Draft)).at(just_before).when(change(5)).accepted();
    assert_eq!(item.state.status_at(just_before), Status::Draft);
    assert_eq!(item.state.status_at(over), Status::Expired);
    let reprice = LinePrice { line: 1, price: price(money(1, "EUR"), Rate::ZERO) };
    let refused = Refusal::Expired { command: "be submitted".into() };
    let expired = item
        .at(over)
        .when(Command::Place)
        .refused_as(refused)
        .when(change(6))
        .refused("ORDER_EXPIRED")
        .when(add(1, money(1, "EUR"), Rate::ZERO))
        .refused("ORDER_EXPIRED")
        .when(Command::RemoveLine { line: 1 })
        .refused("ORDER_EXPIRED")
        .when(Command::Reprice { prices: vec![reprice] })
        .refused("ORDER_EXPIRED")
        .when(cancel())
        .refused("INVALID_TRANSITION")
        .when(draft("EUR", Vec::new()))
        .then([])
        .when(Command::Expire)
        .then([Event::OrderExpired {}])
        .when(Command::Expire)
        .then([]);
    assert_eq!(expired.state.status, Status::Expired);
    let placed = order(history(Status::Draft)).at(just_before).when(Command::Place).accepted();
    assert_eq!(placed.state.status_at(over), Status::PendingPayment, "it was placed in time");
}

#[test]
fn lines_are_changed_and_removed_by_number() {
    let change = |line, quantity| Command::ChangeLine { line, quantity };
    let item = order(history(Status::Draft))
        .when(change(1, 5))
        .then([Event::OrderLineChanged { line: 1, from: 3, to: 5 }])
        .when(change(1, 5))
        .then([])
        .when(change(2, 5))
        .refused("LINE_NOT_FOUND")
        .when(Command::RemoveLine { line: 2 })
        .refused("LINE_NOT_FOUND")
        .when(Command::RemoveLine { line: 1 })
        .then([Event::OrderLineRemoved { line: 1 }])
        .when(Command::RemoveLine { line: 1 })
        .then([])
        .when(Command::Place)
        .refused("ORDER_EMPTY");
    // A number is never given twice: what refers to line 1 cannot come to mean another.
    item.when(add(1, money(1, "EUR"), Rate::ZERO)).then([added(2, 1, money(1, "EUR"), Rate::ZERO)]);
}

#[test]
fn a_draft_takes_the_prices_of_today_and_a_placed_order_keeps_its_own() {
    let (old, new) = (money(1_999, "EUR"), money(2_100, "EUR"));
    let of_line = |line, amount| LinePrice { line, price: price(amount, Rate::ZERO) };
    let repriced = Event::OrderLineRepriced { line: 1, price: price(new, Rate::ZERO) };
    let draft = || order([drafted(), added(1, 2, old, Rate::ZERO)]);
    let reprice = |amount| Command::Reprice { prices: vec![of_line(1, amount)] };
    draft().when(reprice(old)).then([]);
    draft().when(reprice(money(1, "USD"))).refused("CURRENCY_MISMATCH");
    draft().when(reprice(money(-1, "EUR"))).refused("INVALID_PRICE");
    let unknown = Command::Reprice { prices: vec![of_line(2, new)] };
    draft().when(unknown).refused("LINE_NOT_FOUND");
    let placed = draft().when(reprice(new)).then([repriced]).when(Command::Place).accepted();
    let frozen = placed.state.submitted.as_ref().map(|sums| sums.totals);
    assert_eq!(frozen, Some(totals(4_200, 0)));
    placed.when(reprice(old)).refused("INVALID_TRANSITION");
}

#[test]
fn lines_that_make_no_sense_are_refused() {
    let draft = || order(history(Status::Draft));
    for quantity in [0, -1, i64::MIN, LINE_UNITS_MAX + 1, i64::MAX] {
        draft().when(add(quantity, money(1, "EUR"), Rate::ZERO)).refused("INVALID_QUANTITY");
        draft().when(Command::ChangeLine { line: 1, quantity }).refused("INVALID_QUANTITY");
    }
    for minor in [-1, i64::MIN, UNIT_PRICE_MINOR_MAX + 1, i64::MAX] {
        draft().when(add(1, money(minor, "EUR"), Rate::ZERO)).refused("INVALID_PRICE");
    }
    draft().when(add(1, money(1, "USD"), Rate::ZERO)).refused("CURRENCY_MISMATCH");
    let dear = add(LINE_UNITS_MAX, money(UNIT_PRICE_MINOR_MAX, "EUR"), rate(10_000));
    draft()
        .when(add(LINE_UNITS_MAX, money(UNIT_PRICE_MINOR_MAX, "EUR"), Rate::ZERO))
        .accepted()
        .when(add(LINE_UNITS_MAX * 9 / 10, money(UNIT_PRICE_MINOR_MAX, "EUR"), Rate::ZERO))
        .accepted()
        .when(Command::AddLine(Line {
            name: "x".repeat(NAME_CHARACTERS_MAX + 1),
            ..line(1, price(money(1, "EUR"), Rate::ZERO))
        }))
        .refused("INVALID_TEXT");
    let mut rich = draft();
    for _ in 0..4 {
        rich = rich.when(dear.clone()).accepted();
    }
    rich.when(dear).refused("AMOUNT_OUT_OF_RANGE");
}

#[test]
fn an_order_has_a_bounded_number_of_lines() {
    let line = || add(1, money(1, "EUR"), Rate::ZERO);
    let full = (0..LINES_MAX).fold(order([drafted()]), |order, _| order.when(line()).accepted());
    full.when(line())
        .refused("LIMIT_REACHED")
        .when(Command::RemoveLine { line: 7 })
        .accepted()
        .when(line())
        .accepted();
}

#[test]
fn a_payment_marks_the_order_placed_and_stays_the_same_one() {
    let mark = |reference: &str| Command::MarkPlaced { payment_reference: reference.to_owned() };
    order(history(Status::PendingPayment))
        .when(mark(""))
        .refused("INVALID_TEXT")
        .when(mark("pay-1"))
        .then([placed()])
        .when(mark("pay-1"))
        .then([])
        .when(mark("pay-2"))
        .refused("PAYMENT_CONFLICT")
        .when(confirm("pay-2"))
        .refused("PAYMENT_CONFLICT")
        .when(confirm("pay-1"))
        .then([Event::OrderConfirmed { at: noon() }])
        .when(confirm("pay-1"))
        .then([]);
    order(history(Status::PendingPayment))
        .when(confirm("pay-1"))
        .then([placed(), Event::OrderConfirmed { at: noon() }]);
}

#[test]
fn a_cancellation_says_why() {
    order(history(Status::Draft))
        .when(Command::Cancel { reason: " ".to_owned() })
        .refused("INVALID_TEXT");
    let item = order(history(Status::Placed)).when(cancel()).accepted();
    assert_eq!(item.state.cancelled_because.as_deref(), Some("changed my mind"));
}

/// Rows are statuses in the order of `STATUSES`; columns are commands. `+` happens, `=` is so
/// already, `-` is illegal.
#[test]
fn the_whole_table_of_transitions() {
    let mark = Command::MarkPlaced { payment_reference: "pay-1".to_owned() };
    let commands = [
        add(1, money(1, "EUR"), Rate::ZERO),
        Command::ChangeLine { line: 1, quantity: 9 },
        Command::RemoveLine { line: 1 },
        Command::Place,
        mark,
        confirm("pay-1"),
        Command::Complete,
        cancel(),
        Command::Expire,
    ];
    let table = [
        "++++---++", // draft
        "---=++-++", // pending payment
        "----=+-+-", // placed
        "-----=+--", // confirmed
        "-----==--", // completed
        "-------=-", // cancelled
        "--------=", // expired
    ];
    for (status, row) in STATUSES.into_iter().zip(table) {
        let state = state_of::<Order>(&history(status));
        assert_eq!(state.status, status);
        for (command, expected) in commands.iter().zip(row.chars()) {
            let found =
                match Order::decide(&state, command, &context(AggregateId(uuid(9)), noon(), 0)) {
                    Ok(events) if events.is_empty() => '=',
                    Ok(_) => '+',
                    Err(
                        Refusal::IllegalTransition { status: named, .. }
                        | Refusal::Confirmed { status: named, .. },
                    ) if named == status => '-',
                    Err(Refusal::Expired { .. }) if status == Status::Expired => '-',
                    Err(other) => panic!("{command:?} in {status:?}: {other}"),
                };
            assert_eq!(found, expected, "{command:?} in {status:?}");
        }
    }
}

#[test]
fn an_illegal_transition_names_the_status_and_the_command() {
    let refusal =
        Refusal::IllegalTransition { status: Status::Completed, command: "be submitted".into() };
    assert_eq!(refusal.code(), "INVALID_TRANSITION");
    assert_eq!(refusal.to_string(), "an order that is completed cannot be submitted");
    order(history(Status::Completed)).when(Command::Place).refused_as(refusal);
}

#[test]
fn whoever_would_cancel_a_confirmed_order_is_told_by_whom_it_was_paid() {
    let (status, payment_reference) = (Status::Completed, "pay-1".to_owned());
    let refusal = Refusal::Confirmed { status, payment_reference };
    assert_eq!(refusal.code(), "INVALID_TRANSITION");
    assert_eq!(refusal.to_string(), "an order that is completed cannot be cancelled");
    order(history(status)).when(cancel()).refused_as(refusal);
}

#[test]
fn an_order_that_is_over_releases_its_buyer_and_no_other() {
    for status in STATUSES {
        let tried = order(history(status)).when(Command::ReleaseBuyer);
        if status.is_over() {
            tried.then([Event::OrderBuyerReleased {}]);
            let released = [&history(status)[..], &[Event::OrderBuyerReleased {}]].concat();
            order(released).when(Command::ReleaseBuyer).then([]);
        } else {
            let command = "release its buyer".into();
            tried.refused_as(Refusal::IllegalTransition { status, command });
        }
    }
}

fn samples() -> Vec<Event> {
    vec![
        Event::OrderDrafted {
            buyer: Buyer::Guest { email: sealed_email("ann@example.org") },
            owner: Owner::Guest { id: uuid(0xB) },
            currency: euro(),
            price_list: prices_of("EUR"),
            expires_at: noon() + TimeDelta::days(DRAFT_DAYS),
            at: noon(),
        },
        added(1, 3, money(108, "EUR"), rate(1_900)),
        Event::OrderLineChanged { line: 1, from: 3, to: 5 },
        Event::OrderLineRemoved { line: 1 },
        Event::OrderLineRepriced { line: 1, price: price(money(2_100, "EUR"), Rate::ZERO) },
        submitted(),
        placed(),
        Event::OrderConfirmed { at: noon() },
        Event::OrderCompleted {},
        Event::OrderCancelled { reason: "changed my mind".to_owned() },
        Event::OrderExpired {},
        Event::OrderBuyerReleased {},
    ]
}

#[test]
fn stored_events_keep_their_shape() {
    golden(Order::TYPE, &samples());
    let customer = serde_json::to_value(buyer()).expect("serialises");
    assert!(customer["Customer"]["id"].is_string(), "{customer}");
}

proptest! {
    #[test]
    fn gross_is_net_plus_tax_and_totals_are_the_sums_of_the_lines(
        lines in prop::collection::vec((any::<i64>(), any::<i64>(), 0_u32..=1_000_000, any::<bool>()), 1..30),
    ) {
        let mut state = state_of::<Order>(&[drafted()]);
        for (quantity, minor, millionths, gross) in lines {
            let amount = money(minor.rem_euclid(UNIT_PRICE_MINOR_MAX + 2), "EUR");
            let tax_rate = Rate::from_millionths(millionths).expect("at most one");
            let mode = if gross { PriceMode::Gross } else { PriceMode::Net };
            let added = line(quantity.rem_euclid(LINE_UNITS_MAX + 2), UnitPrice { amount, mode, tax_rate });
            let context = context(AggregateId(uuid(9)), noon(), 0);
            let decided = Order::decide(&state, &Command::AddLine(added), &context);
            for event in decided.into_iter().flatten() {
                Order::apply(&mut state, &event);
            }
        }
        let sums = state.sums().expect("an accepted line never makes the sum overflow");
        prop_assert_eq!(sums.totals.net.checked_add(sums.totals.tax), Ok(sums.totals.gross));
        let sum = |mode| state.lines.values()
            .filter(|line| line.price.mode == mode)
            .map(|line| i128::from(line.price.amount.minor) * i128::from(line.quantity))
            .sum::<i128>();
        let of_lines = |part: fn(Totals) -> Money, mode| state.lines.values()
            .filter(|line| line.price.mode == mode)
            .map(|line| i128::from(part(line.totals().expect("in range")).minor))
            .sum::<i128>();
        prop_assert_eq!(of_lines(|line| line.net, PriceMode::Net), sum(PriceMode::Net));
        prop_assert_eq!(of_lines(|line| line.gross, PriceMode::Gross), sum(PriceMode::Gross));
        let stored = serde_json::to_string(&state).expect("a state serialises");
        prop_assert_eq!(serde_json::from_str::<State>(&stored).expect("decodes"), state);
    }
}

//! What an order decides: which command is legal in which status, and that its sums are sums.

use chrono::{DateTime, TimeDelta, Utc};

use super::state::sums;
use super::{
    Buyer, Command, DRAFT_DAYS, Event, LINE_UNITS_MAX, LINES_MAX, Line, LinePrice,
    NAME_CHARACTERS_MAX, PAYMENT_REFERENCE_CHARACTERS_MAX, REASON_CHARACTERS_MAX, Refusal, State,
    Status, UNIT_PRICE_MINOR_MAX,
};
use crate::access::owner::Owner;
use crate::id::PriceListId;
use crate::money::{Currency, Money, MoneyError};
use crate::tax::Sums;
use crate::text::TextRule;

/// How refusals call the adding of a line.
const ADD_LINE: &str = "take another line";
const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);
const PAYMENT_REFERENCE: TextRule =
    TextRule::line("paymentReference", PAYMENT_REFERENCE_CHARACTERS_MAX);

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    if let Command::Draft { buyer, owner, currency, price_list, lines } = command {
        return draft(
            state,
            &Beginning { buyer, owner: *owner, currency: *currency, price_list: *price_list },
            lines,
            now,
        );
    }
    let Some(currency) = state.currency() else {
        return Err(Refusal::NotFound);
    };
    match (state.status_at(now), command) {
        (_, Command::Draft { .. }) => Ok(Vec::new()),

        (Status::Draft, Command::AddLine(line)) => add_line(state, currency, line),
        (Status::Draft, Command::ChangeLine { line, quantity }) => {
            change_line(state, currency, *line, *quantity)
        }
        (Status::Draft, Command::RemoveLine { line }) => remove_line(state, *line),

        (Status::Draft, Command::Reprice { prices }) => reprice(state, currency, prices),

        (Status::Draft, Command::Place) => place(state, currency, now),
        (Status::PendingPayment, Command::Place) => Ok(Vec::new()),

        (Status::PendingPayment, Command::MarkPlaced { payment_reference }) => {
            Ok(vec![placed(payment_reference)?])
        }
        (Status::PendingPayment, Command::Confirm { payment_reference }) => {
            Ok(vec![placed(payment_reference)?, Event::OrderConfirmed { at: now }])
        }
        (Status::Placed, Command::Confirm { payment_reference }) => {
            paid_by(state, payment_reference).map(|()| vec![Event::OrderConfirmed { at: now }])
        }
        (Status::Placed, Command::MarkPlaced { payment_reference })
        | (Status::Confirmed | Status::Completed, Command::Confirm { payment_reference }) => {
            paid_by(state, payment_reference).map(|()| Vec::new())
        }

        (Status::Confirmed, Command::Complete) => Ok(vec![Event::OrderCompleted {}]),
        (Status::Completed, Command::Complete) => Ok(Vec::new()),

        (Status::Draft | Status::PendingPayment | Status::Placed, Command::Cancel { reason }) => {
            Ok(vec![Event::OrderCancelled { reason: REASON.read(reason)? }])
        }
        (Status::Cancelled, Command::Cancel { .. }) => Ok(Vec::new()),
        (status @ (Status::Confirmed | Status::Completed), Command::Cancel { .. }) => {
            let payment_reference = state.payment_reference.clone().unwrap_or_default();
            Err(Refusal::Confirmed { status, payment_reference })
        }

        (Status::Draft | Status::PendingPayment, Command::Expire) => {
            Ok(vec![Event::OrderExpired {}])
        }
        // A draft that ran out is told so of by its clock alone until somebody records it.
        (Status::Expired, Command::Expire) if state.status == Status::Draft => {
            Ok(vec![Event::OrderExpired {}])
        }
        (Status::Expired, Command::Expire) => Ok(Vec::new()),

        // By what happened, not by the clock: a draft that ran out ends first.
        (_, Command::ReleaseBuyer) if state.status.is_over() => match state.buyer_released {
            true => Ok(Vec::new()),
            false => Ok(vec![Event::OrderBuyerReleased {}]),
        },

        (
            status,
            Command::AddLine(_)
            | Command::ChangeLine { .. }
            | Command::RemoveLine { .. }
            | Command::Reprice { .. }
            | Command::Place,
        ) => Err(not_a_draft(status, command.name())),

        (status, command) => {
            Err(Refusal::IllegalTransition { status, command: command.name().into() })
        }
    }
}

/// The refusal of what only a draft does.
fn not_a_draft(status: Status, command: &'static str) -> Refusal {
    let command = command.into();
    match status {
        Status::Expired => Refusal::Expired { command },
        status => Refusal::IllegalTransition { status, command },
    }
}

impl Command {
    /// How refusals call it.
    fn name(&self) -> &'static str {
        match self {
            Self::Draft { .. } => "be drafted",
            Self::AddLine(_) => ADD_LINE,
            Self::ChangeLine { .. } => "have a line changed",
            Self::RemoveLine { .. } => "have a line removed",
            Self::Reprice { .. } => "take other prices",
            Self::Place => "be submitted",
            Self::MarkPlaced { .. } => "be placed",
            Self::Confirm { .. } => "be confirmed",
            Self::Complete => "be completed",
            Self::Cancel { .. } => "be cancelled",
            Self::Expire => "expire",
            Self::ReleaseBuyer => "release its buyer",
        }
    }
}

impl State {
    /// From which price list it would take a line at a time, or why it takes none.
    pub fn takes_lines_of(&self, at: DateTime<Utc>) -> Result<PriceListId, Refusal> {
        let drafted = self.drafted.as_ref().ok_or(Refusal::NotFound)?;
        match self.status_at(at) {
            Status::Draft => Ok(drafted.price_list),
            status => Err(not_a_draft(status, ADD_LINE)),
        }
    }
}

/// Who begins an order, and at which prices.
struct Beginning<'a> {
    buyer: &'a Buyer,
    owner: Owner,
    currency: Currency,
    price_list: PriceListId,
}

impl Beginning<'_> {
    fn is_of(&self, state: &State) -> bool {
        state.drafted.as_ref().is_some_and(|drafted| {
            drafted.buyer == *self.buyer
                && drafted.owner == self.owner
                && drafted.currency == self.currency
                && drafted.price_list == self.price_list
        })
    }
}

/// All of it or nothing: a line that is refused refuses the order.
fn draft(
    state: &State,
    beginning: &Beginning<'_>,
    lines: &[Line],
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    if state.drafted.is_some() {
        return match beginning.is_of(state) && lines.is_empty() {
            true => Ok(Vec::new()),
            false => Err(Refusal::AlreadyExists),
        };
    }
    let Beginning { buyer, owner, currency, price_list } = *beginning;
    let lifetime = TimeDelta::days(DRAFT_DAYS);
    let expires_at = now.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let buyer = buyer.clone();
    let at = now;
    let mut events =
        vec![Event::OrderDrafted { buyer, owner, currency, price_list, expires_at, at }];
    let mut drafted = state.clone();
    drafted.apply(&events[0]);
    for (line, place) in lines.iter().zip(0..) {
        let added = add_line(&drafted, currency, line);
        for added in
            added.map_err(|reason| Refusal::OfLine { line: place, reason: reason.into() })?
        {
            drafted.apply(&added);
            events.push(added);
        }
    }
    Ok(events)
}

fn add_line(state: &State, currency: Currency, line: &Line) -> Result<Vec<Event>, Refusal> {
    let name = NAME.read(&line.name)?;
    check_quantity(line.quantity)?;
    check_price(currency, line.price.amount)?;
    if state.lines.len() >= LINES_MAX {
        return Err(Refusal::TooManyLines { max: LINES_MAX });
    }
    let number = state.last_line.checked_add(1).ok_or(Refusal::TooManyLines { max: LINES_MAX })?;
    sums(currency, state.lines.values().chain([line]))?;
    Ok(vec![Event::OrderLineAdded { number, line: Line { name, ..line.clone() } }])
}

fn change_line(
    state: &State,
    currency: Currency,
    number: u32,
    quantity: i64,
) -> Result<Vec<Event>, Refusal> {
    check_quantity(quantity)?;
    let line = state.lines.get(&number).ok_or(Refusal::LineNotFound)?;
    if line.quantity == quantity {
        return Ok(Vec::new());
    }
    let changed = Line { quantity, ..line.clone() };
    let others = state.lines.iter().filter(|(other, _)| **other != number).map(|(_, line)| line);
    sums(currency, others.chain([&changed]))?;
    Ok(vec![Event::OrderLineChanged { line: number, from: line.quantity, to: quantity }])
}

fn reprice(state: &State, currency: Currency, prices: &[LinePrice]) -> Result<Vec<Event>, Refusal> {
    let mut lines = (*state.lines).clone();
    let mut events = Vec::new();
    for LinePrice { line: number, price } in prices.iter().copied() {
        check_price(currency, price.amount)?;
        let line = lines.get_mut(&number).ok_or(Refusal::LineNotFound)?;
        if line.price == price {
            continue;
        }
        line.price = price;
        events.push(Event::OrderLineRepriced { line: number, price });
    }
    sums(currency, lines.values())?;
    Ok(events)
}

fn check_price(currency: Currency, price: Money) -> Result<(), Refusal> {
    if price.currency != currency {
        let found = price.currency;
        return Err(MoneyError::CurrencyMismatch { expected: currency, found }.into());
    }
    match (0..=UNIT_PRICE_MINOR_MAX).contains(&price.minor) {
        true => Ok(()),
        false => Err(Refusal::InvalidPrice { max: UNIT_PRICE_MINOR_MAX }),
    }
}

fn remove_line(state: &State, number: u32) -> Result<Vec<Event>, Refusal> {
    match state.lines.contains_key(&number) {
        true => Ok(vec![Event::OrderLineRemoved { line: number }]),
        // A number up to the last one given was a line once.
        false if (1..=state.last_line).contains(&number) => Ok(Vec::new()),
        false => Err(Refusal::LineNotFound),
    }
}

fn place(state: &State, currency: Currency, at: DateTime<Utc>) -> Result<Vec<Event>, Refusal> {
    if state.lines.is_empty() {
        return Err(Refusal::Empty);
    }
    let Sums { totals, taxes } = sums(currency, state.lines.values())?;
    Ok(vec![Event::OrderSubmitted { lines: state.lines.len() as u32, totals, taxes, at }])
}

fn placed(payment_reference: &str) -> Result<Event, Refusal> {
    let payment_reference = PAYMENT_REFERENCE.read(payment_reference)?;
    Ok(Event::OrderPlaced { payment_reference })
}

fn paid_by(state: &State, payment_reference: &str) -> Result<(), Refusal> {
    match state.payment_reference.as_deref() == Some(payment_reference.trim()) {
        true => Ok(()),
        false => Err(Refusal::PaymentConflict),
    }
}

fn check_quantity(quantity: i64) -> Result<(), Refusal> {
    match (1..=LINE_UNITS_MAX).contains(&quantity) {
        true => Ok(()),
        false => Err(Refusal::InvalidQuantity { quantity, max: LINE_UNITS_MAX }),
    }
}

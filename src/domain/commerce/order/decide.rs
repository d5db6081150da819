//! What an order decides: which command is legal in which status, and that its sums are sums.

use super::{
    Buyer, Command, Event, LINE_UNITS_MAX, LINES_MAX, Line, LinePrice, NAME_CHARACTERS_MAX,
    PAYMENT_REFERENCE_CHARACTERS_MAX, REASON_CHARACTERS_MAX, Refusal, State, Status, Totals,
    UNIT_PRICE_MINOR_MAX,
};
use crate::money::{Currency, Money, MoneyError};
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);
const PAYMENT_REFERENCE: TextRule =
    TextRule::line("paymentReference", PAYMENT_REFERENCE_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if let Command::Draft { buyer, currency, lines } = command {
        return draft(state, buyer, *currency, lines);
    }
    let Some((_, currency)) = &state.drafted else {
        return Err(Refusal::NotFound);
    };
    let illegal =
        || Err(Refusal::IllegalTransition { status: state.status, command: command.name().into() });
    match (state.status, command) {
        (_, Command::Draft { .. }) => Ok(Vec::new()),

        (
            Status::Draft,
            Command::AddLine { product, variant, location, quantity, name, unit_price, tax_rate },
        ) => {
            let (product, variant, location) = (*product, *variant, *location);
            let (quantity, unit_price, tax_rate) = (*quantity, *unit_price, *tax_rate);
            let name = name.clone();
            let line = Line { product, variant, location, quantity, name, unit_price, tax_rate };
            add_line(state, *currency, line)
        }
        (Status::Draft, Command::ChangeLine { line, quantity }) => {
            change_line(state, *currency, *line, *quantity)
        }
        (Status::Draft, Command::RemoveLine { line }) => remove_line(state, *line),

        (Status::Draft, Command::Reprice { prices }) => reprice(state, *currency, prices),

        (Status::Draft, Command::Place) => place(state, *currency),
        (Status::PendingPayment, Command::Place) => Ok(Vec::new()),

        (Status::PendingPayment, Command::MarkPlaced { payment_reference }) => {
            Ok(vec![placed(payment_reference)?])
        }
        (Status::PendingPayment, Command::Confirm { payment_reference }) => {
            Ok(vec![placed(payment_reference)?, Event::OrderConfirmed {}])
        }
        (Status::Placed, Command::Confirm { payment_reference }) => {
            paid_by(state, payment_reference).map(|()| vec![Event::OrderConfirmed {}])
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
        (Status::Expired, Command::Expire) => Ok(Vec::new()),

        _ => illegal(),
    }
}

impl Command {
    /// How refusals call it.
    fn name(&self) -> &'static str {
        match self {
            Self::Draft { .. } => "be drafted",
            Self::AddLine { .. } => "take another line",
            Self::ChangeLine { .. } => "have a line changed",
            Self::RemoveLine { .. } => "have a line removed",
            Self::Reprice { .. } => "take other prices",
            Self::Place => "be submitted",
            Self::MarkPlaced { .. } => "be placed",
            Self::Confirm { .. } => "be confirmed",
            Self::Complete => "be completed",
            Self::Cancel { .. } => "be cancelled",
            Self::Expire => "expire",
        }
    }
}

/// All of it or nothing: a line that is refused refuses the order.
fn draft(
    state: &State,
    buyer: &Buyer,
    currency: Currency,
    lines: &[Line],
) -> Result<Vec<Event>, Refusal> {
    match &state.drafted {
        Some((known, of)) if known == buyer && *of == currency && lines.is_empty() => {
            return Ok(Vec::new());
        }
        Some(_) => return Err(Refusal::AlreadyExists),
        None => {}
    }
    let mut events = vec![Event::OrderDrafted { buyer: buyer.clone(), currency }];
    let mut drafted = state.clone();
    drafted.apply(&events[0]);
    for line in lines {
        for added in add_line(&drafted, currency, line.clone())? {
            drafted.apply(&added);
            events.push(added);
        }
    }
    Ok(events)
}

fn add_line(state: &State, currency: Currency, line: Line) -> Result<Vec<Event>, Refusal> {
    let name = NAME.read(&line.name)?;
    check_quantity(line.quantity)?;
    check_price(currency, line.unit_price)?;
    if state.lines.len() >= LINES_MAX {
        return Err(Refusal::TooManyLines { max: LINES_MAX });
    }
    let number = state.last_line.checked_add(1).ok_or(Refusal::TooManyLines { max: LINES_MAX })?;
    Totals::of(currency, state.lines.values().chain([&line]))?;
    let Line { product, variant, location, quantity, unit_price, tax_rate, .. } = line;
    Ok(vec![Event::OrderLineAdded {
        line: number,
        product,
        variant,
        location,
        quantity,
        name,
        unit_price,
        tax_rate,
    }])
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
    Totals::of(currency, others.chain([&changed]))?;
    Ok(vec![Event::OrderLineChanged { line: number, from: line.quantity, to: quantity }])
}

fn reprice(state: &State, currency: Currency, prices: &[LinePrice]) -> Result<Vec<Event>, Refusal> {
    let mut lines = (*state.lines).clone();
    let mut events = Vec::new();
    for LinePrice { line: number, unit_price, tax_rate } in prices.iter().copied() {
        check_price(currency, unit_price)?;
        let line = lines.get_mut(&number).ok_or(Refusal::LineNotFound)?;
        if (line.unit_price, line.tax_rate) == (unit_price, tax_rate) {
            continue;
        }
        (line.unit_price, line.tax_rate) = (unit_price, tax_rate);
        events.push(Event::OrderLineRepriced { line: number, unit_price, tax_rate });
    }
    Totals::of(currency, lines.values())?;
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

fn place(state: &State, currency: Currency) -> Result<Vec<Event>, Refusal> {
    if state.lines.is_empty() {
        return Err(Refusal::Empty);
    }
    let totals = Totals::of(currency, state.lines.values())?;
    Ok(vec![Event::OrderSubmitted { lines: state.lines.len() as u32, totals }])
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

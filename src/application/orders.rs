//! Orders: drafted and filled at the shop's prices, and placed if there is room for their checkout.
//! The order decides what it takes; the checkout carries it through by itself.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::admission::{may_draft, may_place, overloaded};
use crate::personal;
use crate::pricing::{Offer, Unpriced, offer};
use crate::request::{Outcome, Request, refused_as};
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::aggregate;
use domain::commerce::order::{self, Buyer, Command, HasLeftCheckout, Line, Order};
use domain::email::EmailAddress;
use domain::id::{AggregateId, CustomerId, LocationId, VariantId};
use domain::money::Currency;
use domain::question::Whole;

/// The longest wait for the end of a checkout; less than proxies give a request.
pub const WAIT_MAX: Duration = Duration::from_secs(10);

/// Who wants to buy, as a client says it.
pub enum WantedBuyer {
    User(CustomerId),
    /// Somebody who does not register.
    Guest(EmailAddress),
}

/// An order to begin with.
pub struct Draft {
    pub buyer: WantedBuyer,
    pub currency: Currency,
    /// All of them, or no order.
    pub lines: Vec<WantedLine>,
}

impl Draft {
    /// What the idempotency key guards: what the client said, and nothing that the shop adds.
    fn content(&self) -> impl Serialize + Sync {
        let (user, guest) = match &self.buyer {
            WantedBuyer::User(user) => (Some(*user), None),
            WantedBuyer::Guest(email) => (None, Some(email.as_str().to_owned())),
        };
        ("draftOrder", user, guest, self.currency, self.lines.clone())
    }
}

/// What a client says of a line: what the idempotency key guards.
#[derive(Clone, Copy, Serialize)]
pub struct WantedLine {
    pub product: AggregateId,
    pub variant: VariantId,
    /// Where the stock is taken from.
    pub location: LocationId,
    pub quantity: i64,
}

impl WantedLine {
    fn at(&self, offer: Offer) -> Line {
        let Self { variant, location, quantity, .. } = *self;
        let Offer { name, unit_price, tax_rate } = offer;
        Line { variant, location, quantity, name, unit_price, tax_rate }
    }
}

/// Why an order is not drafted, or takes no line.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Order(order::Refusal),
    /// There is no price for a line; `line` counts from 0 where several were wanted.
    Unpriced {
        line: Option<usize>,
        reason: Unpriced,
    },
}

impl From<order::Refusal> for Refusal {
    fn from(refusal: order::Refusal) -> Self {
        Self::Order(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(refusal) => refusal.fmt(formatter),
            Self::Unpriced { reason, .. } => reason.fmt(formatter),
        }
    }
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Order(refusal) => refusal.code(),
            Self::Unpriced { reason, .. } => reason.code(),
        }
    }
}

/// Begins an order, with lines at the products' present list prices. Its id follows from the key.
/// [`Fault::Overloaded`] while many orders are on their way, unless it is there already.
pub async fn draft(
    request: &Request<'_>,
    draft: &Draft,
) -> Result<(AggregateId, Committed), AskError<Refusal>> {
    let application = request.application;
    // Guests of one caller may come with equal keys: each has an order of their own.
    let whose = match &draft.buyer {
        WantedBuyer::User(id) => id.0,
        WantedBuyer::Guest(email) => personal::guest_id(&application.engine, email).0,
    };
    let id = request.new_id_for::<Order>("draftOrder", whose.as_bytes()).await?;
    let second = application.engine.services.now().timestamp();
    let key = request.key().unwrap_or_default();
    if !may_draft(&application.views, key, second) && !is_known(request, id, |_| true).await {
        return Err(overloaded().into());
    }
    let mut lines = Vec::with_capacity(draft.lines.len());
    for (number, line) in draft.lines.iter().enumerate() {
        match offer(&application.engine, draft.currency, line.product, line.variant).await? {
            Ok(offer) => lines.push(line.at(offer)),
            Err(reason) => {
                let refusal = Refusal::Unpriced { line: Some(number), reason };
                return Ok((id, earlier(request, id, &draft.content(), refusal).await?));
            }
        }
    }
    let buyer = match &draft.buyer {
        WantedBuyer::User(id) => Buyer::Customer { id: *id },
        WantedBuyer::Guest(email) => personal::guest(&application.engine, email).await?,
    };
    let command = Command::Draft { buyer, currency: draft.currency, lines };
    let drafted = request.send_for::<Order>(id, command, &draft.content()).await;
    Ok((id, drafted.map_err(refused_as)?))
}

/// Adds a line at the product's present list price in the order's currency.
pub async fn add_line(
    request: &Request<'_>,
    order: AggregateId,
    line: &WantedLine,
) -> Outcome<Refusal> {
    let reading = request.aggregate::<Order>(order).read(&Whole).await?;
    let Some(currency) = reading.answer.currency() else {
        return earlier(request, order, line, order::Refusal::NotFound.into()).await;
    };
    match offer(&request.application.engine, currency, line.product, line.variant).await? {
        Ok(offer) => {
            let Line { variant, location, quantity, name, unit_price, tax_rate } = line.at(offer);
            let command =
                Command::AddLine { variant, location, quantity, name, unit_price, tax_rate };
            request.send_for::<Order>(order, command, line).await.map_err(refused_as)
        }
        Err(reason) => {
            let refusal = Refusal::Unpriced { line: None, reason };
            earlier(request, order, line, refusal).await
        }
    }
}

/// Freezes lines and prices, so that the checkout begins, and waits for its end as long as
/// `patience` says, [`WAIT_MAX`] at most: the order is placed whatever comes of it.
/// [`Fault::Overloaded`] while too many orders await the end of theirs, unless it is placed already.
pub async fn place(
    request: &Request<'_>,
    order: AggregateId,
    patience: Duration,
) -> Outcome<order::Refusal> {
    let is_placed = |order: &order::State| order.status != order::Status::Draft;
    if !may_place(&request.application.views) && !is_known(request, order, is_placed).await {
        return Err(overloaded().into());
    }
    let placed = request.send::<Order>(order, Command::Place).await?;
    if !patience.is_zero() {
        let order = request.aggregate::<Order>(order);
        // Why it could not be waited for need not be said: what was asked for is done.
        _ = order.wait_until(&HasLeftCheckout, patience.min(WAIT_MAX)).await;
    }
    Ok(placed)
}

/// The outcome of an earlier try with the same key, though what it wanted is not to be had any more;
/// the refusal, if there was none.
async fn earlier(
    request: &Request<'_>,
    order: AggregateId,
    content: &(impl Serialize + Sync),
    refusal: Refusal,
) -> Outcome<Refusal> {
    let known: Result<_, Fault> = request.outcome_of::<Order>(order, content).await;
    known?.ok_or(AskError::Refused(refusal))
}

/// Whether an earlier try of the same did it, as far as memory tells: then its outcome is told
/// however much is waiting.
async fn is_known(
    request: &Request<'_>,
    order: AggregateId,
    done: impl Fn(&order::State) -> bool,
) -> bool {
    let order = request.aggregate::<Order>(order);
    order.is_live()
        && order.read(&Whole).await.is_ok_and(|read| read.version > 0 && done(&read.answer))
}

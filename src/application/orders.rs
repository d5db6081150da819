//! Orders: drafted and filled at the shop's prices, and placed if there is room for their checkout.
//! The order decides what it takes; the checkout carries it through by itself.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::admission::{may_draft, may_place, overloaded};
use crate::personal;
use crate::price_lists::{self, WantedList};
use crate::pricing::{Offer, Unpriced, offer};
use crate::request::{Outcome, Request, refused_as};
use crate::stock::is_closed;
use actors::aggregate_ref::{AskError, Fault};
use actors::core::Committed;
use domain::access::account::{self, Account};
use domain::access::owner::Owner;
use domain::access::user::{self, Standing, User};
use domain::aggregate;
use domain::commerce::order::{
    self, Buyer, Command, HasLeftCheckout, Line, LinePrice, Order, OrderNumber,
};
use domain::email::EmailAddress;
use domain::id::{AggregateId, CustomerId, LocationId, VariantId};
use domain::money::Money;
use domain::products::location;
use domain::products::stock_item::{CustomerLimit, OneHold, StockItem, stock_item_id};
use domain::question::Whole;
use sagas::checkout::hold_id;

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
    /// Whose it is to be, where that is not the buyer.
    pub owner: Option<Owner>,
    /// At whose prices.
    pub list: WantedList,
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
        let WantedList { list, currency } = self.list;
        let account = self.owner.and_then(Owner::account);
        ("draftOrder", user, guest, account, currency, list, self.lines.clone())
    }
}

/// What a client says of a line: what the idempotency key guards.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WantedLine {
    pub product: AggregateId,
    pub variant: VariantId,
    /// Where the stock is taken from.
    pub location: LocationId,
    pub quantity: i64,
}

impl WantedLine {
    pub(crate) fn item(&self) -> AggregateId {
        stock_item_id(self.variant, self.location)
    }

    fn at(&self, offer: Offer) -> Line {
        let Self { product, variant, location, quantity } = *self;
        let Offer { name, price } = offer;
        Line { product, variant, location, quantity, name, price }
    }
}

/// Why an order is not drafted, takes no line, or is not placed.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    Order(order::Refusal),
    /// At which prices is not said, or there are none such.
    List(price_lists::Refusal),
    /// No such user, or one who may not buy now.
    Buyer(Option<user::Status>),
    /// No such account, or one that is suspended or closed.
    Account(Option<account::Status>),
    /// What held when the order was drafted, and does not now.
    NotAnyMore(Box<Self>),
    /// The product has another price now than the line, by its number: see [`reprice`].
    Repriced {
        line: u32,
        from: Money,
        to: Money,
    },
    /// What a line is about is not for sale any more; the line by its number.
    Gone {
        line: u32,
        reason: Unpriced,
    },
    /// What a line, by its number, is about lies where nothing is promised any more.
    ClosedSince {
        line: u32,
    },
    /// Nothing is promised where the stock would be taken from; `line` counts from 0 where several were
    /// wanted.
    Closed {
        line: Option<usize>,
    },
    /// More of one stock item than one customer may hold, with what the other lines want of it; `line`
    /// counts from 0 where several were wanted.
    TooMuchForOne {
        line: Option<usize>,
        limit: i64,
        others: i64,
    },
    /// The goods of a line, by its number, are still on the shelf.
    NotShipped {
        line: u32,
    },
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

impl From<price_lists::Refusal> for Refusal {
    fn from(refusal: price_lists::Refusal) -> Self {
        Self::List(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(refusal) => refusal.fmt(formatter),
            Self::List(refusal) => refusal.fmt(formatter),
            Self::Unpriced { reason, .. } => reason.fmt(formatter),
            Self::NotAnyMore(refusal) => refusal.fmt(formatter),
            Self::Buyer(None) => formatter.write_str("no such user"),
            Self::Account(None) => formatter.write_str("no such account"),
            Self::Account(Some(_)) => {
                formatter.write_str("an account that is not open buys nothing")
            }
            Self::Buyer(Some(_)) => formatter.write_str("a user who is not active cannot buy"),
            Self::Repriced { line, from, to } => write!(
                formatter,
                "line {line} costs {to} now and not {from}, or is taxed otherwise: take the new prices with repriceOrder"
            ),
            Self::Gone { line, reason } => write!(formatter, "line {line}: {reason}"),
            Self::Closed { .. } => location::Refusal::Closed.fmt(formatter),
            Self::ClosedSince { line } => {
                write!(formatter, "line {line}: {}", location::Refusal::Closed)
            }
            Self::TooMuchForOne { limit, others, .. } => write!(
                formatter,
                "a customer holds at most {limit} of it at a time, and other lines want {others}"
            ),
            Self::NotShipped { line } => {
                write!(formatter, "line {line} was not shipped: shipHold its holdId first")
            }
        }
    }
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::Order(refusal) => refusal.code(),
            Self::List(refusal) => refusal.code(),
            Self::Unpriced { reason, .. } | Self::Gone { reason, .. } => reason.code(),
            Self::NotAnyMore(refusal) => refusal.code(),
            Self::Buyer(None) => user::Refusal::NotFound.code(),
            Self::Buyer(Some(_)) => "BUYER_NOT_ALLOWED",
            Self::Account(None) => account::Refusal::NotFound.code(),
            Self::Account(Some(_)) => "ACCOUNT_NOT_OPEN",
            Self::Repriced { .. } => "PRICE_STALE",
            Self::Closed { .. } | Self::ClosedSince { .. } => location::Refusal::Closed.code(),
            Self::TooMuchForOne { .. } => "CUSTOMER_LIMIT_REACHED",
            Self::NotShipped { .. } => "ORDER_NOT_SHIPPED",
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
    let numbered = |id| OrderNumber::of(id).order_id();
    let id = request.new_id_as::<Order>("draftOrder", whose.as_bytes(), numbered).await?;
    let second = application.engine.services.now().timestamp();
    let key = request.key().unwrap_or_default();
    if !may_draft(&application.views, key, second) && !is_known(request, id, |_| true).await {
        return Err(overloaded().into());
    }
    if let WantedBuyer::User(buyer) = &draft.buyer
        && let Some(refusal) = may_not_buy(request, *buyer).await?
    {
        return Ok((id, earlier(request, id, &draft.content(), refusal).await?));
    }
    if let Some(refusal) = may_not_be_for(request, draft.owner).await? {
        return Ok((id, earlier(request, id, &draft.content(), refusal).await?));
    }
    let (price_list, currency) = match price_lists::find(request, draft.list).await {
        Ok(found) => found,
        Err(AskError::Refused(refusal)) => {
            return Ok((id, earlier(request, id, &draft.content(), refusal.into()).await?));
        }
        Err(AskError::Fault(fault)) => return Err(fault.into()),
    };
    let mut lines = Vec::with_capacity(draft.lines.len());
    for (number, line) in draft.lines.iter().enumerate() {
        match offer(&application.engine, price_list, line.product, line.variant).await? {
            Ok(offer) => lines.push(line.at(offer)),
            Err(reason) => {
                let refusal = Refusal::Unpriced { line: Some(number), reason };
                return Ok((id, earlier(request, id, &draft.content(), refusal).await?));
            }
        }
    }
    let closed = draft.lines.iter().position(|line| is_closed(request, line.location));
    if let Some(line) = closed {
        let refusal = Refusal::Closed { line: Some(line) };
        return Ok((id, earlier(request, id, &draft.content(), refusal).await?));
    }
    if let Some(refusal) = too_much(request, &draft.lines).await? {
        return Ok((id, earlier(request, id, &draft.content(), refusal).await?));
    }
    let buyer = match &draft.buyer {
        WantedBuyer::User(id) => Buyer::Customer { id: *id },
        WantedBuyer::Guest(email) => request.sealing().guest(email).await?,
    };
    let owner = draft.owner.unwrap_or_else(|| buyer.owner());
    let command = Command::Draft { buyer, owner, currency, price_list, lines };
    let drafted = request.send_for::<Order>(id, command, &draft.content()).await;
    Ok((id, drafted.map_err(refused_as)?))
}

/// Adds a line at the product's present price in the order's list.
pub async fn add_line(
    request: &Request<'_>,
    order: AggregateId,
    line: &WantedLine,
) -> Outcome<Refusal> {
    let reading = request.aggregate::<Order>(order).read(&Whole).await?;
    let list = match reading.answer.takes_lines_of(reading.at) {
        Ok(list) => list,
        Err(refusal) => return earlier(request, order, line, refusal.into()).await,
    };
    if is_closed(request, line.location) {
        return earlier(request, order, line, Refusal::Closed { line: None }).await;
    }
    let others = of_one_item(&reading.answer, None, line.variant, line.location);
    if let Some(refusal) = over_limit(request, line.item(), line.quantity, others).await? {
        return earlier(request, order, line, refusal).await;
    }
    match offer(&request.application.engine, list, line.product, line.variant).await? {
        Ok(offer) => {
            let command = Command::AddLine(line.at(offer));
            request.send_for::<Order>(order, command, line).await.map_err(refused_as)
        }
        Err(reason) => {
            let refusal = Refusal::Unpriced { line: None, reason };
            earlier(request, order, line, refusal).await
        }
    }
}

/// Changes how many units a line is about.
pub async fn change_line(
    request: &Request<'_>,
    order: AggregateId,
    line: u32,
    quantity: i64,
) -> Outcome<Refusal> {
    let content = ("changeOrderLine", line, quantity);
    let reading = request.aggregate::<Order>(order).read(&Whole).await?;
    if let Some(known) = reading.answer.lines.get(&line) {
        let others = of_one_item(&reading.answer, Some(line), known.variant, known.location);
        let item = stock_item_id(known.variant, known.location);
        if let Some(refusal) = over_limit(request, item, quantity, others).await? {
            return earlier(request, order, &content, refusal).await;
        }
    }
    let command = Command::ChangeLine { line, quantity };
    request.send_for::<Order>(order, command, &content).await.map_err(refused_as)
}

/// What the lines of an order but one want of a stock item.
fn of_one_item(
    order: &order::State,
    but: Option<u32>,
    variant: VariantId,
    location: LocationId,
) -> i64 {
    let others = order.lines.iter().filter(|(number, line)| {
        Some(**number) != but && (line.variant, line.location) == (variant, location)
    });
    others.map(|(_, line)| line.quantity).sum()
}

/// The first line with which a draft wants more of a stock item than one customer may hold.
async fn too_much(request: &Request<'_>, lines: &[WantedLine]) -> Result<Option<Refusal>, Fault> {
    let mut wanted: HashMap<AggregateId, i64> = HashMap::new();
    for (number, line) in lines.iter().enumerate() {
        let others = wanted.entry(line.item()).or_default();
        match over_limit(request, line.item(), line.quantity, *others).await? {
            Some(Refusal::TooMuchForOne { limit, others, .. }) => {
                return Ok(Some(Refusal::TooMuchForOne { line: Some(number), limit, others }));
            }
            refusal @ Some(_) => return Ok(refusal),
            // What makes no sense is refused by itself.
            None if line.quantity > order::LINE_UNITS_MAX => {}
            None => *others = others.saturating_add(line.quantity.max(0)),
        }
    }
    Ok(None)
}

/// Whether one customer cannot hold so much beside what other lines want: said before anything is
/// placed. The stock item itself has the last word.
pub(crate) async fn over_limit(
    request: &Request<'_>,
    item: AggregateId,
    quantity: i64,
    others: i64,
) -> Result<Option<Refusal>, Fault> {
    // What makes no sense is the order's to refuse.
    if !(1..=order::LINE_UNITS_MAX).contains(&quantity) {
        return Ok(None);
    }
    let limit = request.aggregate::<StockItem>(item).read(&CustomerLimit).await?.answer;
    let refusal = Refusal::TooMuchForOne { line: None, limit, others };
    Ok((quantity > limit.saturating_sub(others)).then_some(refusal))
}

/// Why a user cannot buy now, if they cannot.
async fn may_not_buy(request: &Request<'_>, buyer: CustomerId) -> Result<Option<Refusal>, Fault> {
    let standing = request.aggregate::<User>(AggregateId(buyer.0)).read(&Standing).await?.answer;
    Ok((standing != Some(user::Status::Active)).then_some(Refusal::Buyer(standing)))
}

/// Why nothing can be bought for an owner now, if it cannot.
async fn may_not_be_for(
    request: &Request<'_>,
    owner: Option<Owner>,
) -> Result<Option<Refusal>, Fault> {
    let Some(account) = owner.and_then(Owner::account) else { return Ok(None) };
    let standing = request.aggregate::<Account>(account).read(&account::Standing).await?.answer;
    Ok((standing != Some(account::Status::Open)).then_some(Refusal::Account(standing)))
}

/// What stands between a draft and its checkout: a draft may be old, and the shop has moved on since.
/// The first obstacle, and all prices that changed. The buyer comes before the lines, and what is not
/// for sale before a price that changed: new prices alone would not help.
async fn reviewed(
    request: &Request<'_>,
    order: &order::State,
) -> Result<(Option<Refusal>, Vec<LinePrice>), Fault> {
    let Some(drafted) = &order.drafted else { return Ok((None, Vec::new())) };
    if let Buyer::Customer { id } = drafted.buyer
        && let Some(refusal) = may_not_buy(request, id).await?
    {
        return Ok((Some(Refusal::NotAnyMore(Box::new(refusal))), Vec::new()));
    }
    if let Some(refusal) = may_not_be_for(request, Some(drafted.owner)).await? {
        return Ok((Some(Refusal::NotAnyMore(Box::new(refusal))), Vec::new()));
    }
    let (mut gone, mut repriced, mut changed) = (None, None, Vec::new());
    for (number, line) in order.lines.iter() {
        let number = *number;
        if is_closed(request, line.location) {
            gone.get_or_insert(Refusal::ClosedSince { line: number });
            continue;
        }
        let engine = &request.application.engine;
        match offer(engine, drafted.price_list, line.product, line.variant).await? {
            Err(reason) => _ = gone.get_or_insert(Refusal::Gone { line: number, reason }),
            Ok(Offer { price, .. }) if price != line.price => {
                let (from, to) = (line.price.amount, price.amount);
                repriced.get_or_insert(Refusal::Repriced { line: number, from, to });
                changed.push(LinePrice { line: number, price });
            }
            Ok(_) => {}
        }
    }
    Ok((gone.or(repriced), changed))
}

/// Gives the lines of a draft the prices that their products have now: who saw the old ones sees the
/// new ones before anything is placed. Lines that are not for sale any more keep theirs.
pub async fn reprice(request: &Request<'_>, order: AggregateId) -> Outcome<order::Refusal> {
    let reading = request.aggregate::<Order>(order).read(&Whole).await?;
    let (_, prices) = reviewed(request, &reading.answer).await?;
    request.send_for::<Order>(order, Command::Reprice { prices }, &"repriceOrder").await
}

/// Freezes lines and prices, so that the checkout begins, and waits for its end as long as
/// `patience` says, [`WAIT_MAX`] at most: the order is placed whatever comes of it.
/// [`Fault::Overloaded`] while too many orders await the end of theirs, unless it is placed already.
pub async fn place(
    request: &Request<'_>,
    order: AggregateId,
    patience: Duration,
) -> Outcome<Refusal> {
    let is_placed = |order: &order::State| order.status != order::Status::Draft;
    if !may_place(&request.application.views) && !is_known(request, order, is_placed).await {
        return Err(overloaded().into());
    }
    let reading = request.aggregate::<Order>(order).read(&Whole).await?;
    if reading.answer.status_at(reading.at) == order::Status::Draft
        && let (Some(refusal), _) = reviewed(request, &reading.answer).await?
    {
        return Err(AskError::Refused(refusal));
    }
    let placed = request.send::<Order>(order, Command::Place).await.map_err(refused_as)?;
    if !patience.is_zero() {
        let order = request.aggregate::<Order>(order);
        // Why it could not be waited for need not be said: what was asked for is done.
        _ = order.wait_until(&HasLeftCheckout, patience.min(WAIT_MAX)).await;
    }
    Ok(placed)
}

/// Everything of a confirmed order was delivered. What its lines claim leaves the stock by shipping
/// alone, so what is claimed no more was shipped.
pub async fn complete(request: &Request<'_>, order: AggregateId) -> Outcome<Refusal> {
    let reading = request.aggregate::<Order>(order).read(&Whole).await?;
    if reading.answer.status == order::Status::Confirmed {
        for (number, line) in reading.answer.lines.iter() {
            let item = request.aggregate::<StockItem>(stock_item_id(line.variant, line.location));
            let hold = OneHold(hold_id(order, *number));
            if item.read(&hold).await?.answer.is_some() {
                return Err(AskError::Refused(Refusal::NotShipped { line: *number }));
            }
        }
    }
    request.send::<Order>(order, Command::Complete).await.map_err(refused_as)
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

//! What a cart would cost and whether it could be had, as everything stands now: asks the same as an order
//! does, and makes, holds and promises nothing.

use std::collections::HashMap;

use crate::orders::{self, WantedLine, over_limit};
use crate::price_lists::{self, WantedList};
use crate::pricing::offer;
use crate::request::{Request, refused_as};
use crate::stock::is_closed;
use actors::aggregate_ref::{AskError, Fault};
use domain::aggregate;
use domain::commerce::order;
use domain::id::{AggregateId, PriceListId};
use domain::money::Currency;
use domain::products::stock_item::{self, Overview, StockItem};
use domain::tax::{Sums, UnitPrice};

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Quote {
    pub price_list: PriceListId,
    pub currency: Currency,
    /// As they were wanted.
    pub lines: Vec<QuotedLine>,
    /// What those lines come to that have a price; nothing where that is no sum of money.
    pub sums: Option<Sums>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QuotedLine {
    pub wanted: WantedLine,
    /// What it is called, and of one unit.
    pub offer: Option<(String, UnitPrice)>,
    /// Of the units that are wanted, so many could be claimed now, after those of the lines before.
    pub available: i64,
    pub problem: Option<Problem>,
}

/// What is in the way of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    Order(orders::Refusal),
    Stock(stock_item::Refusal),
}

impl Problem {
    /// The stable code that clients see, and the words.
    pub fn told(&self) -> (&'static str, String) {
        use aggregate::Refusal as _;
        match self {
            Self::Order(refusal) => (refusal.code(), refusal.to_string()),
            Self::Stock(refusal) => (refusal.code(), refusal.to_string()),
        }
    }
}

/// What these lines would come to.
pub async fn quote(
    request: &Request<'_>,
    list: WantedList,
    wanted: &[WantedLine],
) -> Result<Quote, AskError<orders::Refusal>> {
    if wanted.len() > order::LINES_MAX {
        let refusal = order::Refusal::TooManyLines { max: order::LINES_MAX };
        return Err(AskError::Refused(refusal.into()));
    }
    let (price_list, currency) = price_lists::find(request, list).await.map_err(refused_as)?;
    let mut lines = Vec::with_capacity(wanted.len());
    let mut claimed = HashMap::new();
    for line in wanted {
        lines.push(quoted(request, price_list, *line, &mut claimed).await?);
    }
    let priced =
        lines.iter().filter_map(|line| Some((line.offer.as_ref()?.1, line.wanted.quantity)));
    let sums = Sums::of(currency, priced).ok();
    Ok(Quote { price_list, currency, lines, sums })
}

/// One line behind others, which claim so many units of each stock item.
async fn quoted(
    request: &Request<'_>,
    list: PriceListId,
    wanted: WantedLine,
    claimed: &mut HashMap<AggregateId, i64>,
) -> Result<QuotedLine, Fault> {
    let unpriced = |problem| QuotedLine { wanted, offer: None, available: 0, problem };
    if !(1..=order::LINE_UNITS_MAX).contains(&wanted.quantity) {
        let (quantity, max) = (wanted.quantity, order::LINE_UNITS_MAX);
        let refusal = order::Refusal::InvalidQuantity { quantity, max };
        return Ok(unpriced(Some(Problem::Order(refusal.into()))));
    }
    let engine = &request.application.engine;
    let offer = match offer(engine, list, wanted.product, wanted.variant).await? {
        Ok(offer) => (offer.name, offer.price),
        Err(reason) => {
            let refusal = orders::Refusal::Unpriced { line: None, reason };
            return Ok(unpriced(Some(Problem::Order(refusal))));
        }
    };
    let item = wanted.item();
    let others = claimed.entry(item).or_default();
    let stock = request.aggregate::<StockItem>(item).read(&Overview::default()).await?.answer;
    let left = (stock.available - *others).max(0);
    let problem = if is_closed(request, wanted.location) {
        Some(Problem::Order(orders::Refusal::Closed { line: None }))
    } else if let Some(refusal) = over_limit(request, item, wanted.quantity, *others).await? {
        Some(Problem::Order(refusal))
    } else if left < wanted.quantity {
        let (available, requested) = (left, wanted.quantity);
        Some(Problem::Stock(stock_item::Refusal::InsufficientStock { available, requested }))
    } else {
        None
    };
    *others = others.saturating_add(wanted.quantity);
    let available = left.min(wanted.quantity);
    Ok(QuotedLine { wanted, offer: Some(offer), available, problem })
}

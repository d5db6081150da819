//! The shop's numbers: how many orders there are of a day, and what they come to. They are read from
//! sums that change with the orders, and never from the orders.

use async_graphql::{Context, Object, Result, SimpleObject};
use jiff::civil;

use super::OrderStatus;
use crate::errors::{INVALID_VALUE, coded, fault};
use crate::lists::{lacks, views};
use crate::positions::PositionToken;
use crate::scalars::{Date, GivenPosition, Long, MoneyOutput};
use projections::tables::orders::OfDay;

/// The most days that are asked for at once.
const DAYS_MAX: i64 = 366;
/// The most rows that are told: of a year, with all statuses, in three currencies.
const ROWS_MAX: u32 = 10_000;

const TOO_MANY: &str = "there are more statuses and currencies of these days than are told at once; ask \
                        for fewer days";

const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// Days since 1970.
fn number_of(day: Date) -> i64 {
    i64::from((day.0 - EPOCH).get_days())
}

fn day_of(number: i64) -> Option<Date> {
    let days = jiff::Span::new().try_days(number).ok()?;
    EPOCH.checked_add(days).ok().map(Date)
}

/// How many days are meant, for what that costs; an absurd span is refused later.
fn days(from: &Date, to: &Date) -> usize {
    usize::try_from(number_of(*to) - number_of(*from) + 1).unwrap_or(0).min(DAYS_MAX as usize)
}

/// Orders of one day in one status and currency.
#[derive(SimpleObject)]
pub struct OrdersOfDay {
    /// By UTC: an order is one of the day on which it was placed, a draft of the one on which it was
    /// begun.
    day: Date,
    status: OrderStatus,
    currency: String,
    count: Long,
    /// What they come to, with tax; nothing for what was never placed.
    total: MoneyOutput,
}

pub struct OrdersByDay {
    rows: Vec<OrdersOfDay>,
    position: PositionToken,
}

/// How many orders there are, and what they come to.
#[Object]
impl OrdersByDay {
    /// By day, status and currency; what there are none of is left out.
    async fn rows(&self) -> &[OrdersOfDay] {
        &self.rows
    }

    /// How far in the logs the numbers were read.
    async fn position(&self) -> &PositionToken {
        &self.position
    }
}

#[derive(Default)]
pub struct NumbersQuery;

#[Object]
impl NumbersQuery {
    /// How many orders there are of each day, status and currency, and what they come to: of the days
    /// `from` to `to`, both of them with, a year at most. What it costs does not depend on how many
    /// orders there are.
    #[graphql(complexity = "1 + days(&from, &to) * child_complexity")]
    async fn orders_by_day(
        &self,
        context: &Context<'_>,
        from: Date,
        to: Date,
        at_least: Option<GivenPosition>,
    ) -> Result<OrdersByDay> {
        let span = (number_of(from), number_of(to));
        if !(0..DAYS_MAX).contains(&(span.1 - span.0)) {
            let right = "to: a day that is not before `from`, and not a year or more behind it";
            return Err(coded(INVALID_VALUE, right));
        }
        let at_least = at_least.map(|position| position.read(context)).transpose()?;
        lacks(context, at_least.as_ref())?;
        let told = views(context).orders.sums(at_least.as_ref(), span, ROWS_MAX + 1).await;
        let told = told.map_err(|error| fault(&error))?;
        if told.groups.len() > ROWS_MAX as usize {
            return Err(coded(INVALID_VALUE, TOO_MANY));
        }
        let row = |of: OfDay| {
            Some(OrdersOfDay {
                day: day_of(of.day)?,
                status: of.status.into(),
                currency: of.gross.currency.code().to_owned(),
                count: Long(of.orders),
                total: MoneyOutput(of.gross),
            })
        };
        let rows = told.groups.iter().filter_map(OfDay::of).filter_map(row).collect();
        Ok(OrdersByDay { rows, position: PositionToken(told.position) })
    }
}

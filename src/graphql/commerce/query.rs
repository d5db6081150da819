//! Questions about orders and checkouts.

use async_graphql::{Context, Enum, InputObject, Object, Result};

use super::{CheckoutNode, OrderNode, OrderStatus};
use crate::context::{AsOf, load, past};
use crate::errors::{INVALID_VALUE, coded};
use crate::ids::{PublicOrderId, PublicUserId};
use crate::lists::{connection, views};
use crate::operations;
use crate::rows::{Compared, DateTimeFilter, Direction, OneOf, Window, filters, rows};
use crate::scalars::GivenPosition;
use domain::commerce::order::{Order, OrderNumber};
use domain::id::AggregateId;
use projections::plan::{Filter, Ordering};
use projections::table::Value;
use projections::tables::orders;
use sagas::checkout::{Checkout, checkout_id};

const NO_NUMBER: &str = "a number of an order is 12 characters such as 4T7K-9QHM-2XWB, without 0, O, \
                         1, I and L: one of them was mistyped";

connection!(OrderConnection, OrderEdge, OrderNode = Order);
connection!(CheckoutConnection, CheckoutEdge, CheckoutNode = Checkout);

impl Compared for OrderStatus {
    fn value(&self) -> Value {
        orders::status_value((*self).into())
    }
}

/// What columns of orders are called here.
const WORDS: &[(&str, &str)] = &[("drafted_us", "createdAt"), ("buyer", "userId")];

filters! {
    /// Which orders.
    OrderWhere {
        status: OneOf<OrderStatus> = "status",
        user_id: OneOf<PublicUserId> = "buyer",
        created_at: DateTimeFilter = "drafted_us",
    }
}

/// What orders are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderOrderField {
    CreatedAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct OrderOrder {
    field: OrderOrderField,
    #[graphql(default_with = "Direction::Descending")]
    direction: Direction,
}

impl OrderOrder {
    const NEWEST: Ordering = Ordering { column: "drafted_us", descending: true };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            OrderOrderField::CreatedAt => "drafted_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

#[derive(Default)]
pub struct OrderQueries;

#[Object]
impl OrderQueries {
    /// An order by its id or by its number, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn order(
        &self,
        context: &Context<'_>,
        id: Option<PublicOrderId>,
        number: Option<String>,
        as_of: Option<AsOf>,
    ) -> Result<Option<OrderNode>> {
        let id = match (id, number) {
            (Some(id), None) => AggregateId::from(id),
            (None, Some(text)) => match OrderNumber::read(&text) {
                Some(number) => number.order_id(),
                None => return Err(coded("INVALID_ORDER_NUMBER", NO_NUMBER)),
            },
            _ => return Err(coded(INVALID_VALUE, "either id or number says which order is meant")),
        };
        Ok(load::<Order>(context, id, as_of).await?.map(OrderNode))
    }

    /// Orders, by when they were drafted, the newest first where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn orders(
        &self,
        context: &Context<'_>,
        r#where: Option<OrderWhere>,
        order_by: Option<OrderOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<OrderConnection> {
        let filter = r#where.map_or(Filter::EVERYTHING, |filter| filter.filter());
        let ordering = order_by.map_or(OrderOrder::NEWEST, OrderOrder::ordering);
        let window = Window { first, after, last, before, at_least };
        let table = &views(context).orders;
        let page = window.page(context, table, filter, ordering, WORDS).await?;
        Ok(OrderConnection(page.of_aggregates()))
    }

    /// Checkouts, by when they began, the newest first where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn checkouts(
        &self,
        context: &Context<'_>,
        r#where: Option<operations::CheckoutWhere>,
        order_by: Option<operations::SagaOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<CheckoutConnection> {
        let filter = r#where.map_or(Filter::EVERYTHING, |filter| filter.filter());
        let filter = operations::of(filter, &[operations::SagaKind::Checkout]);
        let window = Window { first, after, last, before, at_least };
        let (table, ordering) = (&views(context).sagas, operations::ordering(order_by));
        let page = window.page(context, table, filter, ordering, operations::WORDS).await?;
        Ok(CheckoutConnection(page.of_aggregates()))
    }

    /// The checkout of an order; null before it began.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn checkout(
        &self,
        context: &Context<'_>,
        order_id: PublicOrderId,
        as_of: Option<AsOf>,
    ) -> Result<Option<CheckoutNode>> {
        let id = checkout_id(order_id.into());
        Ok(load::<Checkout>(context, id, as_of).await?.map(CheckoutNode))
    }
}

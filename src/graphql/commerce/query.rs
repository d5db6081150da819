//! Questions about orders and checkouts.

use std::ops::Bound;

use async_graphql::{Context, Enum, InputObject, Object, Result};

use super::{CheckoutNode, OrderNode, OrderStatus};
use crate::context::{AsOf, load, past};
use crate::errors::{INVALID_VALUE, coded};
use crate::ids::{PublicAccountId, PublicOrderId, PublicUserId};
use crate::lists::{Listed, connection};
use crate::operations;
use crate::rows::{Compared, DateTimeFilter, Direction, OneOf, Window, filters, list, rows};
use crate::scalars::{GivenPosition, Instant, Long, TypedNumber};
use domain::aggregate::Aggregate as _;
use domain::commerce::order::{Order, OrderNumber};
use domain::id::AggregateId;
use projections::plan::{AGGREGATE, Filter, Ordering};
use projections::table::Value;
use projections::tables::orders::{self, FIRST_PLACED_US, FIRST_TOTAL};
use projections::tables::sagas as of_sagas;
use sagas::checkout::{Checkout, checkout_id};

const NO_NUMBER: &str = "a number of an order is 12 characters such as 4T7K-9QHM-2XWB, without 0, O, \
                         1, I and L: one of them was mistyped";

connection!(OrderConnection, OrderEdge, OrderNode);
connection!(CheckoutConnection, CheckoutEdge, CheckoutNode);

impl Compared for OrderStatus {
    fn value(&self) -> Value {
        orders::status_value((*self).into())
    }
}

/// What columns of orders are called here.
const WORDS: &[(&str, &str)] = &[
    ("drafted_us", "createdAt"),
    // Of whoever erases by rule.
    ("over_us", ""),
    ("is_kept", ""),
    ("placed_us", "placedAt"),
    ("owner", "userId or accountId"),
    // Totals are compared within their currency.
    ("currency", "total"),
    (AGGREGATE, "number"),
];

impl Compared for TypedNumber {
    fn value(&self) -> Value {
        self.0.order_id().into()
    }
}

/// What an order comes to, gross. Amounts of different currencies have no order.
#[derive(InputObject, Clone)]
pub struct TotalFilter {
    /// ISO 4217, upper case.
    currency: String,
    /// In minor units (cents, yen, fils), like the other end; both ends belong to it.
    from_minor: Option<Long>,
    to_minor: Option<Long>,
}

impl TotalFilter {
    /// Of drafts there is no total yet.
    fn on(&self, column: &'static str) -> Filter {
        let least = self.from_minor.map_or(FIRST_TOTAL, |from| from.0.max(FIRST_TOTAL));
        let most = self.to_minor.map_or(Bound::Unbounded, |to| Bound::Included(to.0.into()));
        let currency = Filter::OneOf("currency", vec![self.currency.as_str().into()]);
        let span = Filter::Between(column, Bound::Included(least.into()), most);
        Filter::All(vec![currency, span])
    }
}

/// A span of time in which orders were placed; drafts are in none.
#[derive(InputObject, Clone)]
pub struct PlacedAtFilter {
    from: Option<Instant>,
    before: Option<Instant>,
}

impl PlacedAtFilter {
    fn on(&self, column: &'static str) -> Filter {
        let Self { from, before } = *self;
        Filter::All(vec![DateTimeFilter { from, before }.on(column), only_placed(column)])
    }
}

fn only_placed(column: &'static str) -> Filter {
    Filter::Between(column, Bound::Included(FIRST_PLACED_US.into()), Bound::Unbounded)
}

filters! {
    /// Which orders.
    OrderWhere {
        status: OneOf<OrderStatus> = "status",
        /// Users' own: what they bought for an account is the account's.
        user_id: OneOf<PublicUserId> = "owner",
        account_id: OneOf<PublicAccountId> = "owner",
        created_at: DateTimeFilter = "drafted_us",
        placed_at: PlacedAtFilter = "placed_us",
        total: TotalFilter = "total",
        /// As many as are named, at most 16.
        number: OneOf<TypedNumber> = "aggregate",
    }
}

/// What orders are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderOrderField {
    CreatedAt,
    /// Drafts are not among them.
    PlacedAt,
    /// Of one currency, which `total` names.
    Total,
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
            OrderOrderField::PlacedAt => "placed_us",
            OrderOrderField::Total => "total",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }

    /// What has no place in this order is left out.
    fn leaves(self, filter: Filter) -> Filter {
        match self.field {
            OrderOrderField::CreatedAt | OrderOrderField::Total => filter,
            OrderOrderField::PlacedAt => Filter::All(vec![filter, only_placed("placed_us")]),
        }
    }
}

list! {
    OrderConnection of orders: orders::Orders, where OrderWhere, by OrderOrder;
    KINDS = [Order::TYPE], WORDS = WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        let filter = match order_by {
            Some(order) => order.leaves(filter),
            None => filter,
        };
        (filter, order_by.map_or(OrderOrder::NEWEST, OrderOrder::ordering))
    };
    shown = OrderConnection;
}

list! {
    CheckoutConnection of sagas: of_sagas::Sagas, where operations::CheckoutWhere, by operations::SagaOrder;
    KINDS = [Checkout::TYPE], WORDS = operations::WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (operations::of(filter, &[operations::SagaKind::Checkout]), operations::ordering(order_by))
    };
    shown = CheckoutConnection;
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
        Ok(load::<Order>(context, id, as_of).await?.map(OrderNode::whole))
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
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
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
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
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
        Ok(load::<Checkout>(context, id, as_of).await?.map(CheckoutNode::whole))
    }
}

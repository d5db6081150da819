//! Questions about orders and checkouts.

use std::cmp::Reverse;

use async_graphql::{Context, Object, Result};

use super::{CheckoutNode, OrderNode, OrderStatus};
use crate::context::{AsOf, load, past};
use crate::ids::{PublicOrderId, PublicUserId};
use crate::lists::{Asked, connection, views};
use crate::scalars::GivenPosition;
use domain::commerce::order::{Order, Status};
use domain::id::AggregateId;
use projections::orders::{Key, Row};
use sagas::checkout::{Checkout, checkout_id};

connection!(OrderConnection, OrderEdge, OrderNode = Order);

#[derive(Default)]
pub struct CommerceQuery;

#[Object]
impl CommerceQuery {
    /// An order, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn order(
        &self,
        context: &Context<'_>,
        id: PublicOrderId,
        as_of: Option<AsOf>,
    ) -> Result<Option<OrderNode>> {
        Ok(load::<Order>(context, id.into(), as_of).await?.map(OrderNode))
    }

    /// The latest orders, the newest first: of a status, of a user, or all.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn orders(
        &self,
        context: &Context<'_>,
        status: Option<OrderStatus>,
        user_id: Option<PublicUserId>,
        #[graphql(default = 20)] first: i32,
        after: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<OrderConnection> {
        let asked = Asked::<(Reverse<i64>, AggregateId)>::new(context, first, after, at_least)?;
        let status = status.map(Status::from);
        let page = asked.page(&views(context).orders, |orders, after, list| {
            let after = after.map(|(drafted_us, id)| Key { drafted_us, id });
            let rows: Box<dyn Iterator<Item = &Row>> = match (user_id, status) {
                (Some(user), None) => Box::new(orders.by_buyer(user.into(), after)),
                (Some(user), Some(status)) => {
                    let rows = orders.by_buyer(user.into(), after);
                    Box::new(rows.filter(move |row| row.status == status))
                }
                (None, Some(status)) => Box::new(orders.by_status(status, after)),
                (None, None) => Box::new(orders.recent(after)),
            };
            list(&mut rows.map(|row| ((row.key().drafted_us, row.id), row.id)));
        });
        Ok(OrderConnection(page.await?))
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

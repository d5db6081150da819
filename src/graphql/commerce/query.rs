//! Questions about orders and checkouts.

use async_graphql::{Context, Object, Result};

use super::{CheckoutNode, OrderNode};
use crate::domain::commerce::order::Order;
use crate::graphql::context::{AsOf, load};
use crate::graphql::ids::PublicOrderId;
use crate::sagas::checkout::{Checkout, checkout_id};

#[derive(Default)]
pub struct CommerceQuery;

#[Object]
impl CommerceQuery {
    /// An order, now or as it was.
    async fn order(
        &self,
        context: &Context<'_>,
        id: PublicOrderId,
        as_of: Option<AsOf>,
    ) -> Result<Option<OrderNode>> {
        Ok(load::<Order>(context, id.into(), as_of).await?.map(OrderNode))
    }

    /// The checkout of an order; null before it began.
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

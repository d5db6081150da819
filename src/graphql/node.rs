//! `node(id)`: any aggregate that has an id of its own in the API, whatever its kind.

use async_graphql::{Context, ID, Interface, Object, Result};

use super::access::{UserNode, registered};
use super::commerce::{CheckoutNode, OrderNode};
use super::context::load;
use super::errors::{INVALID_ID, coded};
use super::ids::{
    PublicCalendarId, PublicCheckoutId, PublicOrderId, PublicProductId, PublicStockItemId,
    PublicUserId,
};
use super::products::{ProductNode, StockItemNode};
use super::scalars::{Long, PositionToken};
use super::scheduling::CalendarNode;

/// An aggregate.
#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(name = "version", ty = "Long", desc = "How many events led to it."),
    field(name = "position", ty = "PositionToken", desc = "How far in the log it was read.")
)]
pub enum Node {
    User(UserNode),
    Product(ProductNode),
    StockItem(StockItemNode),
    Order(OrderNode),
    Checkout(CheckoutNode),
    Calendar(CalendarNode),
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The aggregate of an id; null if there is none.
    async fn node(&self, context: &Context<'_>, id: ID) -> Result<Option<Node>> {
        let id = id.as_str();
        if let Some(id) = PublicUserId::read(id) {
            return Ok(registered(context, id.into(), None).await?.map(UserNode).map(Node::User));
        }
        if let Some(id) = PublicProductId::read(id) {
            return Ok(load(context, id.into(), None).await?.map(ProductNode).map(Node::Product));
        }
        if let Some(id) = PublicStockItemId::read(id) {
            return Ok(load(context, id.into(), None)
                .await?
                .map(StockItemNode)
                .map(Node::StockItem));
        }
        if let Some(id) = PublicOrderId::read(id) {
            return Ok(load(context, id.into(), None).await?.map(OrderNode).map(Node::Order));
        }
        if let Some(id) = PublicCheckoutId::read(id) {
            return Ok(load(context, id.into(), None).await?.map(CheckoutNode).map(Node::Checkout));
        }
        if let Some(id) = PublicCalendarId::read(id) {
            return Ok(load(context, id.into(), None).await?.map(CalendarNode).map(Node::Calendar));
        }
        Err(coded(INVALID_ID, "an id as this server gave it was expected"))
    }
}

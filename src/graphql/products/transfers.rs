//! Transfers in the API: goods on their way from one location to another.

use async_graphql::{Context, Enum, Object, Result};

use crate::context::{AsOf, Loaded, load, past};
use crate::ids::{PublicLocationId, PublicTransferId, PublicVariantId};
use crate::scalars::{Instant, Long};
use sagas::transfer::{self, Transfer};

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "transfer::Phase")]
pub enum TransferPhase {
    NotStarted,
    Sending,
    Receiving,
    /// The source would not send: nothing happened.
    Refused,
    /// The destination is told not to take it any more.
    Refusing,
    /// The source takes it back.
    Cancelling,
    Cancelled,
    /// It arrived; both sides are told that it is over.
    Completing,
    Completed,
}

pub struct TransferNode(pub Loaded<Transfer>);

/// Goods on their way from one location to another, or at the end of it.
#[Object(name = "Transfer")]
impl TransferNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Loaded<Transfer> {
        &self.0
    }

    async fn variant_id(&self) -> Option<PublicVariantId> {
        self.0.state().goods.map(|goods| goods.variant.into())
    }

    async fn from_location_id(&self) -> Option<PublicLocationId> {
        self.0.state().goods.map(|goods| goods.from.into())
    }

    async fn to_location_id(&self) -> Option<PublicLocationId> {
        self.0.state().goods.map(|goods| goods.to.into())
    }

    async fn quantity(&self) -> Option<Long> {
        self.0.state().goods.map(|goods| Long(goods.quantity))
    }

    async fn phase(&self) -> TransferPhase {
        self.0.state().phase.into()
    }

    /// Why the goods are not moved, where they are not.
    async fn code(&self) -> Option<&str> {
        self.0.state().why.as_ref().map(|why| why.code())
    }

    /// Failed tries of the present phase.
    async fn attempts(&self) -> u32 {
        self.0.state().attempts
    }

    /// Not before then is the present phase tried again.
    async fn next_attempt_at(&self) -> Option<Instant> {
        self.0.state().next_at.map(Instant)
    }

    /// It waits for an operator: see `retrySaga`.
    async fn stalled(&self) -> bool {
        self.0.state().stalled
    }
}

#[derive(Default)]
pub struct TransferQuery;

#[Object]
impl TransferQuery {
    /// A transfer of stock, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn transfer(
        &self,
        context: &Context<'_>,
        id: PublicTransferId,
        as_of: Option<AsOf>,
    ) -> Result<Option<TransferNode>> {
        Ok(load::<Transfer>(context, id.into(), as_of).await?.map(TransferNode))
    }
}

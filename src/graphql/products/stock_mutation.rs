//! What may be done to stock. Quantities are whole units; the rules say which are sound.

use async_graphql::{Context, InputObject, Object, Result};

use super::StockItemNode;
use crate::context::load;
use crate::dry_run::DryRun;
use crate::errors::UserError;
use crate::ids::{PublicHoldId, PublicLocationId, PublicTransferId, PublicUserId, PublicVariantId};
use crate::lists::Listed as _;
use crate::mutation::{
    Answer, NotDone, Payload, Target, change, foretold, inputs, mutations, payload, position_of,
    refusals, request,
};
use crate::scalars::{Duration, Long};
use actors::core::Committed;
use application::stock;
use application::transfers::{self, Wanted};
use domain::aggregate::Refusal as _;
use domain::id::{AggregateId, CustomerId, TransferId};
use domain::products::stock_item::{Command, Refusal, StockItem, stock_item_id};

payload! {
    StockItemPayload { stock_item: StockItemNode = StockItem }
}

payload! {
    /// Beside the stock item, the id of the hold.
    HoldStockPayload: StockItemPayload { hold_id: PublicHoldId }
}

pub struct TransferStockPayload {
    source: AggregateId,
    destination: AggregateId,
    outcome: std::result::Result<(TransferId, Committed), NotDone>,
}

/// Both sides of a transfer.
#[Object]
impl TransferStockPayload {
    /// Null if nothing was done.
    async fn transfer_id(&self) -> Option<PublicTransferId> {
        self.outcome.as_ref().ok().map(|(transfer, _)| (*transfer).into())
    }

    async fn source(&self, context: &Context<'_>) -> Result<Option<StockItemNode>> {
        Ok(load::<StockItem>(context, self.source, None).await?.map(StockItemNode::whole))
    }

    async fn destination(&self, context: &Context<'_>) -> Result<Option<StockItemNode>> {
        Ok(load::<StockItem>(context, self.destination, None).await?.map(StockItemNode::whole))
    }

    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        refusals(&self.outcome)
    }

    /// What a dry run says would be done; null if it was none, or would be refused.
    async fn dry_run(&self) -> Option<DryRun> {
        foretold(&self.outcome)
    }

    /// Where the arrival stands in the log.
    async fn position(&self) -> Option<crate::positions::PositionToken> {
        let (_, arrived) = self.outcome.as_ref().ok()?;
        Some(position_of(arrived))
    }
}

inputs! {
    StockItem { variant_id: PublicVariantId, location_id: PublicLocationId }
    |input| stock_item_id(input.variant_id.into(), input.location_id.into());
    { expected_version: Option<Long>, idempotency_key: String };

    OpenStockInput {}
    ReceiveStockInput {
        quantity: Long
    }
    AdjustStockInput {
        /// May be negative.
        delta: Long,
        reason: String
    }
    SetStockInput {
        /// What is believed to be on hand; refused if it is not.
        from: Long,
        to: Long,
        reason: String
    }
    SetBackorderLimitInput {
        units: Long
    }
    SetCustomerLimitInput {
        units: Long
    }
    SetLowStockThresholdInput {
        /// Null: it is never low.
        units: Option<Long>
    }
    HoldStockInput {
        /// Who claims it; may be somebody who is no user.
        customer_id: PublicUserId,
        quantity: Long,
        /// 15 minutes unless given, an hour at most.
        duration: Option<Duration>
    }
    ExtendHoldInput {
        hold_id: PublicHoldId,
        /// From now on, an hour at most.
        duration: Duration
    }
    HoldInput {
        hold_id: PublicHoldId
    }
    SellStockInput {
        quantity: Long
    }
}

#[derive(InputObject)]
pub struct TransferStockInput {
    pub variant_id: PublicVariantId,
    pub from_location_id: PublicLocationId,
    pub to_location_id: PublicLocationId,
    pub quantity: Long,
    pub idempotency_key: String,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

mutations! { StockCommands {
    /// Corrects what is on hand by a difference, whatever was promised: see `shortage`.
    fn adjust_stock(input: AdjustStockInput) -> StockItemPayload =
        Command::Adjust { delta: input.delta.0, reason: input.reason },
        "quantity" is "delta";

    /// Corrects what is on hand after a recount, whatever was promised: see `shortage`.
    fn set_stock(input: SetStockInput) -> StockItemPayload =
        Command::SetOnHand { from: input.from.0, to: input.to.0, reason: input.reason },
        "quantity" is "to";

    /// Says how many more units may be claimed than are on hand.
    fn set_backorder_limit(input: SetBackorderLimitInput) -> StockItemPayload =
        Command::SetBackorderLimit { units: input.units.0 },
        "quantity" is "units";

    /// Says how many units one customer may hold, and one order take; 100 unless it is said.
    fn set_customer_limit(input: SetCustomerLimitInput) -> StockItemPayload =
        Command::SetCustomerLimit { units: input.units.0 },
        "quantity" is "units";

    /// Says at how many units that may leave the shelf the item is low: see `isLow`, and `lowStock` in the
    /// list's `where`.
    fn set_low_stock_threshold(input: SetLowStockThresholdInput) -> StockItemPayload =
        Command::SetLowStockThreshold { units: input.units.map(|units| units.0) },
        "quantity" is "units";

    /// Makes a hold that is for no order last longer; a few times at most.
    fn extend_hold(input: ExtendHoldInput) -> StockItemPayload =
        Command::Extend { hold: input.hold_id.into(), seconds: seconds_of(input.duration)? };

    /// Gives a hold back that is for no order.
    fn release_hold(input: HoldInput) -> StockItemPayload =
        Command::Release { hold: input.hold_id.into() };

    /// Turns a hold that is for no order into a promise that does not expire.
    fn commit_hold(input: HoldInput) -> StockItemPayload =
        Command::Commit { hold: input.hold_id.into(), order: None };

    /// Takes a committed or backordered promise back that is for no order.
    fn deallocate_hold(input: HoldInput) -> StockItemPayload =
        Command::Deallocate { hold: input.hold_id.into() };
} }

#[derive(Default)]
pub struct StockUseCases;

#[Object]
impl StockUseCases {
    /// Begins to keep stock of a variant at a location that is not closed.
    async fn open_stock(
        &self,
        context: &Context<'_>,
        mut input: OpenStockInput,
    ) -> Answer<StockItemPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let (variant, location) = (input.variant_id.into(), input.location_id.into());
        let opened = stock::open(&target.request(context)?, variant, location).await;
        Ok(Some(StockItemPayload::new(id, change(opened)?)))
    }

    /// Goods came in; fills backorders, oldest first. Not where the location is closed.
    async fn receive_stock(
        &self,
        context: &Context<'_>,
        mut input: ReceiveStockInput,
    ) -> Answer<StockItemPayload> {
        let (target, command) =
            (input.target(context).await?, Command::Receive { quantity: input.quantity.0 });
        anew(context, target, input.variant_id, input.location_id, command).await
    }

    /// Sells over the counter: claimed, committed and shipped in one. Not where the location is closed.
    async fn sell_stock(
        &self,
        context: &Context<'_>,
        mut input: SellStockInput,
    ) -> Answer<StockItemPayload> {
        let (target, command) =
            (input.target(context).await?, Command::Sell { quantity: input.quantity.0 });
        anew(context, target, input.variant_id, input.location_id, command).await
    }

    /// The goods of a committed hold left: those of an order once it is confirmed.
    async fn ship_hold(
        &self,
        context: &Context<'_>,
        mut input: HoldInput,
    ) -> Answer<StockItemPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let shipped = stock::ship(&target.request(context)?, id, input.hold_id.into()).await;
        Ok(Some(StockItemPayload::new(id, change(shipped)?)))
    }

    /// Claims stock for a while, where the location is not closed. The hold's id follows from the idempotency key.
    async fn hold_stock(
        &self,
        context: &Context<'_>,
        mut input: HoldStockInput,
    ) -> Answer<HoldStockPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let request = target.request(context)?;
        let made = PublicHoldId(request.new_name("holdStock"));
        let change = match input.duration.map(seconds_of).transpose() {
            Ok(seconds) => {
                let (hold, customer) = (made.into(), CustomerId::from(input.customer_id));
                let quantity = input.quantity.0;
                let command = Command::Hold { hold, customer, quantity, seconds, order: None };
                let (variant, location) = (input.variant_id.into(), input.location_id.into());
                change(stock::anew(&request, variant, location, command).await)?
            }
            Err(error) => Err(error.into()),
        };
        Ok(Some(HoldStockPayload { made, payload: StockItemPayload::new(id, change) }))
    }

    /// Moves stock to another location where it is kept already, and which is not closed. Ask again with the same key if
    /// the outcome is not known: the move goes on where it was.
    async fn transfer_stock(
        &self,
        context: &Context<'_>,
        input: TransferStockInput,
    ) -> Answer<TransferStockPayload> {
        let wanted = Wanted {
            variant: input.variant_id.into(),
            from: input.from_location_id.into(),
            to: input.to_location_id.into(),
            quantity: input.quantity.0,
        };
        let source = stock_item_id(wanted.variant, wanted.from);
        let destination = stock_item_id(wanted.variant, wanted.to);
        let request = request(context, Some(input.idempotency_key), None)?.rehearsed(input.dry_run);
        let outcome = change(transfers::transfer(&request, wanted).await)?;
        Ok(Some(TransferStockPayload { source, destination, outcome }))
    }
}

/// What brings something new to a location.
async fn anew(
    context: &Context<'_>,
    target: Target,
    variant: PublicVariantId,
    location: PublicLocationId,
    command: Command,
) -> Answer<StockItemPayload> {
    let id = target.id;
    let request = target.request(context)?;
    let done = stock::anew(&request, variant.into(), location.into(), command).await;
    Ok(Some(StockItemPayload::new(id, change(done)?)))
}

/// Whole seconds, as the rules take them; they say which are too many.
fn seconds_of(duration: Duration) -> std::result::Result<u32, UserError> {
    u32::try_from(duration.exact_seconds()).map_err(|_| {
        let refusal = Refusal::InvalidDuration {
            seconds: u32::MAX,
            max: domain::products::stock_item::HOLD_SECONDS_MAX,
        };
        UserError::plain(refusal.code(), &refusal, &["duration"])
    })
}

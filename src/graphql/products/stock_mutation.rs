//! What may be done to stock. Quantities are whole units; the rules say which are sound.

use async_graphql::{Context, InputObject, Object, Result};

use super::StockItemNode;
use crate::context::load;
use crate::errors::{UserError, fault};
use crate::ids::{PublicHoldId, PublicLocationId, PublicTransferId, PublicUserId, PublicVariantId};
use crate::mutation::{Answer, Change, Payload, inputs, mutations, payload, request, send};
use crate::scalars::{Duration, Long};
use actors::aggregate_ref::{AskError, Fault};
use application::request::Request;
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
    transfer: PublicTransferId,
    source: AggregateId,
    destination: AggregateId,
    change: Change,
}

/// Both sides of a transfer.
#[Object]
impl TransferStockPayload {
    /// Null if nothing was done.
    async fn transfer_id(&self) -> Option<PublicTransferId> {
        self.change.is_ok().then_some(self.transfer)
    }

    async fn source(&self, context: &Context<'_>) -> Result<Option<StockItemNode>> {
        Ok(load::<StockItem>(context, self.source, None).await?.map(StockItemNode))
    }

    async fn destination(&self, context: &Context<'_>) -> Result<Option<StockItemNode>> {
        Ok(load::<StockItem>(context, self.destination, None).await?.map(StockItemNode))
    }

    /// Why nothing was done; empty if it was.
    async fn user_errors(&self) -> Vec<UserError> {
        self.change.as_ref().err().cloned().into_iter().collect()
    }

    /// Where the arrival stands in the log.
    async fn position(&self) -> Option<crate::scalars::PositionToken> {
        self.change.as_ref().ok().map(crate::mutation::position_of)
    }
}

inputs! {
    { variant_id: PublicVariantId, location_id: PublicLocationId }
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
}

mutations! { StockCommands {
    /// Begins to keep stock of a variant at a location.
    fn open_stock(input: OpenStockInput) -> StockItemPayload =
        Command::Open { variant: input.variant_id.into(), location: input.location_id.into() };

    /// Goods came in; fills backorders, oldest first.
    fn receive_stock(input: ReceiveStockInput) -> StockItemPayload =
        Command::Receive { quantity: input.quantity.0 };

    /// Corrects what is on hand by a difference.
    fn adjust_stock(input: AdjustStockInput) -> StockItemPayload =
        Command::Adjust { delta: input.delta.0, reason: input.reason },
        "quantity" is "delta";

    /// Corrects what is on hand after a recount.
    fn set_stock(input: SetStockInput) -> StockItemPayload =
        Command::SetOnHand { from: input.from.0, to: input.to.0, reason: input.reason },
        "quantity" is "to";

    /// Says how many more units may be claimed than are on hand.
    fn set_backorder_limit(input: SetBackorderLimitInput) -> StockItemPayload =
        Command::SetBackorderLimit { units: input.units.0 },
        "quantity" is "units";

    /// Says how many units one customer may hold.
    fn set_customer_limit(input: SetCustomerLimitInput) -> StockItemPayload =
        Command::SetCustomerLimit { units: input.units.0 },
        "quantity" is "units";

    /// Makes a hold last longer; a few times at most.
    fn extend_hold(input: ExtendHoldInput) -> StockItemPayload =
        Command::Extend { hold: input.hold_id.into(), seconds: seconds_of(input.duration)? };

    /// Gives a hold back.
    fn release_hold(input: HoldInput) -> StockItemPayload =
        Command::Release { hold: input.hold_id.into() };

    /// Turns a hold into a promise that does not expire.
    fn commit_hold(input: HoldInput) -> StockItemPayload =
        Command::Commit { hold: input.hold_id.into() };

    /// The goods of a committed hold left.
    fn ship_hold(input: HoldInput) -> StockItemPayload =
        Command::Ship { hold: input.hold_id.into() };

    /// Takes a committed or backordered promise back.
    fn deallocate_hold(input: HoldInput) -> StockItemPayload =
        Command::Deallocate { hold: input.hold_id.into() };

    /// Sells over the counter: claimed, committed and shipped in one.
    fn sell_stock(input: SellStockInput) -> StockItemPayload =
        Command::Sell { quantity: input.quantity.0 };
} }

#[derive(Default)]
pub struct StockUseCases;

#[Object]
impl StockUseCases {
    /// Claims stock for a while. The hold's id follows from the idempotency key.
    async fn hold_stock(
        &self,
        context: &Context<'_>,
        mut input: HoldStockInput,
    ) -> Answer<HoldStockPayload> {
        let target = input.target();
        let id = target.id;
        let request = target.request(context)?;
        let made = PublicHoldId(request.new_id("holdStock").0);
        let change = match input.duration.map(seconds_of).transpose() {
            Ok(seconds) => {
                let (hold, customer) = (made.into(), CustomerId::from(input.customer_id));
                let command = Command::Hold { hold, customer, quantity: input.quantity.0, seconds };
                send::<StockItem>(&request, id, command).await?
            }
            Err(error) => Err(error),
        };
        Ok(Some(HoldStockPayload { made, payload: StockItemPayload::new(id, change) }))
    }

    /// Moves stock to another location where it is kept already. Ask again with the same key if
    /// the outcome is not known: the move goes on where it was.
    async fn transfer_stock(
        &self,
        context: &Context<'_>,
        input: TransferStockInput,
    ) -> Answer<TransferStockPayload> {
        let source = stock_item_id(input.variant_id.into(), input.from_location_id.into());
        let destination = stock_item_id(input.variant_id.into(), input.to_location_id.into());
        let request = request(context, Some(input.idempotency_key.clone()), None)?;
        let transfer = TransferId(request.new_id("transferStock").0);
        let sides = Transfer { request, transfer, source, destination };
        let change = sides.run(context, &input).await?;
        let transfer = transfer.into();
        Ok(Some(TransferStockPayload { transfer, source, destination, change }))
    }
}

/// A move under way. Every step may be repeated: what crashed is finished by the next try.
struct Transfer<'a> {
    request: Request<'a>,
    transfer: TransferId,
    source: AggregateId,
    destination: AggregateId,
}

impl Transfer<'_> {
    async fn run(&self, context: &Context<'_>, input: &TransferStockInput) -> Result<Change> {
        let (transfer, quantity) = (self.transfer, input.quantity.0);
        let (from, to) = (input.from_location_id.into(), input.to_location_id.into());
        if self.source == self.destination {
            let message = "stock is moved to another location";
            return Ok(Err(UserError::plain("SAME_LOCATION", message, &["toLocationId"])));
        }
        // What was opened stays open, so behind this the destination can only refuse for good.
        let destination = load::<StockItem>(context, self.destination, None).await?;
        if destination.is_none_or(|item| item.state().identity.is_none()) {
            let refusal = Refusal::NotOpen;
            return Ok(Err(UserError::plain(refusal.code(), &refusal, &["toLocationId"])));
        }
        let out = Command::TransferOut { transfer, to, quantity };
        if let Err(error) = send::<StockItem>(&self.request, self.source, out).await? {
            return Ok(Err(error));
        }
        let arrive = Command::TransferIn { transfer, from, quantity };
        match self.step(self.destination, arrive, "in").await? {
            Ok(arrived) => {
                self.close(self.source, Command::CompleteTransfer { transfer }, "complete").await?;
                self.close(self.destination, Command::ForgetTransfer { transfer }, "forget")
                    .await?;
                Ok(Ok(arrived))
            }
            Err(refusal) => {
                // The refusal is not forgotten: another try of this mutation may be on its way.
                let refuse = Command::RefuseTransfer { transfer, from };
                self.close(self.destination, refuse, "refuse").await?;
                self.close(self.source, Command::CancelTransfer { transfer }, "cancel").await?;
                Ok(Err(UserError::from(refusal)))
            }
        }
    }

    async fn step(
        &self,
        side: AggregateId,
        command: Command,
        name: &str,
    ) -> Result<std::result::Result<actors::core::Committed, Refusal>> {
        let key = format!("transfer/{}/{name}", self.transfer.0.simple());
        match self.request.step::<StockItem>(side, command, Some(key.into())).await {
            Ok(committed) => Ok(Ok(committed)),
            Err(AskError::Refused(refusal)) => Ok(Err(refusal)),
            Err(AskError::Fault(error)) => Err(fault(&error)),
        }
    }

    /// A step that the rules cannot refuse once the one before it stands, but in a race that they
    /// decide: then the other outcome is recorded and the next try reports it.
    async fn close(&self, side: AggregateId, command: Command, name: &str) -> Result<()> {
        match self.step(side, command, name).await? {
            Ok(_) | Err(Refusal::TransferNotFound) => Ok(()),
            Err(_) => Err(fault(&Fault::OutcomeUnknown)),
        }
    }
}

/// Whole seconds, as the rules take them; they say which are too many.
fn seconds_of(duration: Duration) -> std::result::Result<u32, UserError> {
    u32::try_from(duration.0.num_seconds()).map_err(|_| {
        let refusal = Refusal::InvalidDuration {
            seconds: u32::MAX,
            max: domain::products::stock_item::HOLD_SECONDS_MAX,
        };
        UserError::plain(refusal.code(), &refusal, &["duration"])
    })
}

//! What may be done to stock. Quantities are whole units; the rules say which are sound.

use async_graphql::{Context, InputObject, Object, Result};

use super::StockItemNode;
use crate::context::{Ask, Change, load, payload};
use crate::errors::{UserError, fault};
use crate::ids::{PublicHoldId, PublicLocationId, PublicTransferId, PublicUserId, PublicVariantId};
use crate::scalars::{Duration, Long};
use domain::aggregate::Refusal as _;
use domain::id::{AggregateId, CustomerId, HoldId, TransferId};
use domain::products::stock_item::{Command, Refusal, StockItem, stock_item_id};

payload! {
    StockItemPayload { stock_item: StockItemNode = StockItem }
}

pub struct HoldStockPayload {
    hold: PublicHoldId,
    payload: StockItemPayload,
}

/// Beside the stock item, the id of the hold.
#[Object]
impl HoldStockPayload {
    /// Null if nothing was done.
    async fn hold_id(&self) -> Option<PublicHoldId> {
        self.payload.is_done().then_some(self.hold)
    }

    #[graphql(flatten)]
    async fn payload(&self) -> &StockItemPayload {
        &self.payload
    }
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
        self.change.as_ref().ok().map(crate::context::position_of)
    }
}

/// Inputs that name a stock item and say one thing more.
macro_rules! stock_inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* })+) => {$(
        $(#[$doc])*
        #[derive(InputObject)]
        pub struct $name {
            pub variant_id: PublicVariantId,
            pub location_id: PublicLocationId,
            $($(#[$field_doc])* pub $field: $type,)*
            pub expected_version: Option<Long>,
            pub idempotency_key: String,
        }

        impl $name {
            fn target(&self) -> Target {
                Target {
                    id: stock_item_id(self.variant_id.into(), self.location_id.into()),
                    key: self.idempotency_key.clone(),
                    expected_version: self.expected_version,
                }
            }
        }
    )+};
}

stock_inputs! {
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

struct Target {
    id: AggregateId,
    key: String,
    expected_version: Option<Long>,
}

#[derive(Default)]
pub struct StockMutation;

type Payload<T> = Result<Option<T>>;

#[Object]
impl StockMutation {
    /// Begins to keep stock of a variant at a location.
    async fn open_stock(
        &self,
        context: &Context<'_>,
        input: OpenStockInput,
    ) -> Payload<StockItemPayload> {
        let (variant, location) = (input.variant_id.into(), input.location_id.into());
        tell(context, input.target(), Command::Open { variant, location }).await
    }

    /// Goods came in; fills backorders, oldest first.
    async fn receive_stock(
        &self,
        context: &Context<'_>,
        input: ReceiveStockInput,
    ) -> Payload<StockItemPayload> {
        tell(context, input.target(), Command::Receive { quantity: input.quantity.0 }).await
    }

    /// Corrects what is on hand by a difference.
    async fn adjust_stock(
        &self,
        context: &Context<'_>,
        input: AdjustStockInput,
    ) -> Payload<StockItemPayload> {
        let command = Command::Adjust { delta: input.delta.0, reason: input.reason.clone() };
        tell_about(context, input.target(), command, "delta").await
    }

    /// Corrects what is on hand after a recount.
    async fn set_stock(
        &self,
        context: &Context<'_>,
        input: SetStockInput,
    ) -> Payload<StockItemPayload> {
        let reason = input.reason.clone();
        let command = Command::SetOnHand { from: input.from.0, to: input.to.0, reason };
        tell_about(context, input.target(), command, "to").await
    }

    /// Says how many more units may be claimed than are on hand.
    async fn set_backorder_limit(
        &self,
        context: &Context<'_>,
        input: SetBackorderLimitInput,
    ) -> Payload<StockItemPayload> {
        let command = Command::SetBackorderLimit { units: input.units.0 };
        tell_about(context, input.target(), command, "units").await
    }

    /// Says how many units one customer may hold.
    async fn set_customer_limit(
        &self,
        context: &Context<'_>,
        input: SetCustomerLimitInput,
    ) -> Payload<StockItemPayload> {
        let command = Command::SetCustomerLimit { units: input.units.0 };
        tell_about(context, input.target(), command, "units").await
    }

    /// Claims stock for a while. The hold's id follows from the idempotency key.
    async fn hold_stock(
        &self,
        context: &Context<'_>,
        input: HoldStockInput,
    ) -> Payload<HoldStockPayload> {
        let target = input.target();
        let seconds = match input.duration.map(seconds_of).transpose() {
            Ok(seconds) => seconds,
            Err(error) => {
                let payload = StockItemPayload::new(target.id, Err(error));
                return Ok(Some(HoldStockPayload { hold: PublicHoldId(target.id.0), payload }));
            }
        };
        let ask = Ask::new(context, Some(target.key), target.expected_version)?;
        let hold = HoldId(ask.new_id("holdStock").0);
        let customer = CustomerId::from(input.customer_id);
        let command = Command::Hold { hold, customer, quantity: input.quantity.0, seconds };
        let change = ask.send::<StockItem>(target.id, command).await?;
        let payload = StockItemPayload::new(target.id, change);
        Ok(Some(HoldStockPayload { hold: hold.into(), payload }))
    }

    /// Makes a hold last longer; a few times at most.
    async fn extend_hold(
        &self,
        context: &Context<'_>,
        input: ExtendHoldInput,
    ) -> Payload<StockItemPayload> {
        match seconds_of(input.duration) {
            Ok(seconds) => {
                let hold = input.hold_id.into();
                tell(context, input.target(), Command::Extend { hold, seconds }).await
            }
            Err(error) => Ok(Some(StockItemPayload::new(input.target().id, Err(error)))),
        }
    }

    /// Gives a hold back.
    async fn release_hold(
        &self,
        context: &Context<'_>,
        input: HoldInput,
    ) -> Payload<StockItemPayload> {
        tell(context, input.target(), Command::Release { hold: input.hold_id.into() }).await
    }

    /// Turns a hold into a promise that does not expire.
    async fn commit_hold(
        &self,
        context: &Context<'_>,
        input: HoldInput,
    ) -> Payload<StockItemPayload> {
        tell(context, input.target(), Command::Commit { hold: input.hold_id.into() }).await
    }

    /// The goods of a committed hold left.
    async fn ship_hold(
        &self,
        context: &Context<'_>,
        input: HoldInput,
    ) -> Payload<StockItemPayload> {
        tell(context, input.target(), Command::Ship { hold: input.hold_id.into() }).await
    }

    /// Takes a committed or backordered promise back.
    async fn deallocate_hold(
        &self,
        context: &Context<'_>,
        input: HoldInput,
    ) -> Payload<StockItemPayload> {
        tell(context, input.target(), Command::Deallocate { hold: input.hold_id.into() }).await
    }

    /// Sells over the counter: claimed, committed and shipped in one.
    async fn sell_stock(
        &self,
        context: &Context<'_>,
        input: SellStockInput,
    ) -> Payload<StockItemPayload> {
        tell(context, input.target(), Command::Sell { quantity: input.quantity.0 }).await
    }

    /// Moves stock to another location where it is kept already. Ask again with the same key if
    /// the outcome is not known: the move goes on where it was.
    async fn transfer_stock(
        &self,
        context: &Context<'_>,
        input: TransferStockInput,
    ) -> Payload<TransferStockPayload> {
        let source = stock_item_id(input.variant_id.into(), input.from_location_id.into());
        let destination = stock_item_id(input.variant_id.into(), input.to_location_id.into());
        let ask = Ask::new(context, Some(input.idempotency_key.clone()), None)?;
        let transfer = TransferId(ask.new_id("transferStock").0);
        let sides = Transfer { ask, transfer, source, destination };
        let change = sides.run(context, &input).await?;
        let transfer = transfer.into();
        Ok(Some(TransferStockPayload { transfer, source, destination, change }))
    }
}

/// A move under way. Every step may be repeated: what crashed is finished by the next try.
struct Transfer<'a> {
    ask: Ask<'a>,
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
        if let Err(error) = self.ask.send::<StockItem>(self.source, out).await? {
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
        self.ask.step::<StockItem>(side, command, Some(key.into())).await
    }

    /// A step that the rules cannot refuse once the one before it stands, but in a race that they
    /// decide: then the other outcome is recorded and the next try reports it.
    async fn close(&self, side: AggregateId, command: Command, name: &str) -> Result<()> {
        match self.step(side, command, name).await? {
            Ok(_) | Err(Refusal::TransferNotFound) => Ok(()),
            Err(_) => Err(fault(&actors::aggregate_ref::Fault::OutcomeUnknown)),
        }
    }
}

async fn tell(
    context: &Context<'_>,
    target: Target,
    command: Command,
) -> Payload<StockItemPayload> {
    tell_about(context, target, command, "quantity").await
}

/// The same where the quantity is called otherwise.
async fn tell_about(
    context: &Context<'_>,
    target: Target,
    command: Command,
    quantity: &str,
) -> Payload<StockItemPayload> {
    let ask = Ask::new(context, Some(target.key), target.expected_version)?;
    let change = ask.send::<StockItem>(target.id, command).await?;
    let change = change.map_err(|error| error.at("quantity", quantity));
    Ok(Some(StockItemPayload::new(target.id, change)))
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

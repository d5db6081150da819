//! What may be done to orders and their checkouts, as clients say it.

use std::time::Duration;

use async_graphql::{Context, InputObject, Object, OneofObject, Result};

use super::{CheckoutNode, OrderNode};
use crate::context::{Ask, change, payload};
use crate::errors::{INVALID_VALUE, UserError, coded};
use crate::ids::{PublicLocationId, PublicOrderId, PublicProductId, PublicUserId, PublicVariantId};
use crate::scalars::Long;
use application::orders::{self, Draft, WantedLine};
use domain::commerce::order::{Buyer, Command, Order};
use domain::id::{AggregateId, CustomerId};
use domain::money::Currency;
use sagas::checkout::{self, Checkout, checkout_id};

payload! {
    OrderPayload { order: OrderNode = Order }
}

payload! {
    CheckoutPayload { checkout: CheckoutNode = Checkout }
}

/// Who buys.
#[derive(OneofObject)]
pub enum BuyerInput {
    UserId(PublicUserId),
    /// Somebody who does not register.
    GuestEmail(String),
}

#[derive(InputObject)]
pub struct DraftOrderInput {
    pub buyer: BuyerInput,
    /// ISO 4217, upper case; every line is in it.
    pub currency: String,
    /// What it begins with: all of them, or no order.
    #[graphql(default)]
    pub lines: Vec<OrderLineInput>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct OrderLineInput {
    pub product_id: PublicProductId,
    pub variant_id: PublicVariantId,
    /// Where the stock is taken from.
    pub location_id: PublicLocationId,
    pub quantity: Long,
}

#[derive(InputObject)]
pub struct AddOrderLineInput {
    pub order_id: PublicOrderId,
    pub product_id: PublicProductId,
    pub variant_id: PublicVariantId,
    /// Where the stock is taken from.
    pub location_id: PublicLocationId,
    pub quantity: Long,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct ChangeOrderLineInput {
    pub order_id: PublicOrderId,
    pub line: u32,
    pub quantity: Long,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct RemoveOrderLineInput {
    pub order_id: PublicOrderId,
    pub line: u32,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct OrderInput {
    pub order_id: PublicOrderId,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct PlaceOrderInput {
    pub order_id: PublicOrderId,
    pub expected_version: Option<Long>,
    /// How long to wait, in milliseconds, for the checkout to confirm or cancel the order: 0 to
    /// 10,000. The order is placed whatever comes of it.
    #[graphql(default)]
    pub wait_ms: u32,
    pub idempotency_key: String,
}

#[derive(InputObject)]
pub struct EndOrderInput {
    pub order_id: PublicOrderId,
    pub reason: String,
    pub expected_version: Option<Long>,
    pub idempotency_key: String,
}

#[derive(Default)]
pub struct CommerceMutation;

type Payload<T> = Result<Option<T>>;

#[Object]
impl CommerceMutation {
    /// Begins an order, with lines at the products' present list prices. Its id follows from the
    /// idempotency key.
    async fn draft_order(
        &self,
        context: &Context<'_>,
        input: DraftOrderInput,
    ) -> Payload<OrderPayload> {
        let currency = match Currency::from_code(&input.currency) {
            Ok(currency) => currency,
            Err(error) => {
                let error = UserError::plain(error.code(), error, &["currency"]);
                return Ok(Some(OrderPayload::from(error)));
            }
        };
        let buyer = match input.buyer {
            BuyerInput::UserId(user) => Buyer::Customer { id: CustomerId::from(user) },
            BuyerInput::GuestEmail(email) => Buyer::Guest { email },
        };
        let lines = input.lines.into_iter().map(OrderLineInput::read).collect();
        let ask = Ask::new(context, Some(input.idempotency_key), None)?;
        let drafted = orders::draft(&ask.0, &Draft { buyer, currency, lines }).await;
        Ok(Some(match change(drafted)? {
            Ok((id, committed)) => OrderPayload::new(id, Ok(committed)),
            Err(error) => OrderPayload::from(error),
        }))
    }

    /// Adds a line at the product's present list price in the order's currency.
    async fn add_order_line(
        &self,
        context: &Context<'_>,
        input: AddOrderLineInput,
    ) -> Payload<OrderPayload> {
        let id = AggregateId::from(input.order_id);
        let line = OrderLineInput {
            product_id: input.product_id,
            variant_id: input.variant_id,
            location_id: input.location_id,
            quantity: input.quantity,
        };
        let ask = Ask::new(context, Some(input.idempotency_key), input.expected_version)?;
        let added = orders::add_line(&ask.0, id, &line.read()).await;
        Ok(Some(OrderPayload::new(id, change(added)?)))
    }

    /// Changes how many units a line is about.
    async fn change_order_line(
        &self,
        context: &Context<'_>,
        input: ChangeOrderLineInput,
    ) -> Payload<OrderPayload> {
        let command = Command::ChangeLine { line: input.line, quantity: input.quantity.0 };
        tell(context, input.order_id, input.expected_version, input.idempotency_key, command).await
    }

    async fn remove_order_line(
        &self,
        context: &Context<'_>,
        input: RemoveOrderLineInput,
    ) -> Payload<OrderPayload> {
        let command = Command::RemoveLine { line: input.line };
        tell(context, input.order_id, input.expected_version, input.idempotency_key, command).await
    }

    /// The buyer wants it: lines and prices are frozen, and its checkout begins. Wait for its end
    /// here, or ask for `checkout` to see how far it is.
    async fn place_order(
        &self,
        context: &Context<'_>,
        input: PlaceOrderInput,
    ) -> Payload<OrderPayload> {
        let patience = Duration::from_millis(input.wait_ms.into());
        if patience > orders::WAIT_MAX {
            let message = format!("waitMs is at most {}", orders::WAIT_MAX.as_millis());
            return Err(coded(INVALID_VALUE, message));
        }
        let id = AggregateId::from(input.order_id);
        let ask = Ask::new(context, Some(input.idempotency_key), input.expected_version)?;
        let placed = orders::place(&ask.0, id, patience).await;
        Ok(Some(OrderPayload::new(id, change(placed)?)))
    }

    /// Cancels an order that is not confirmed; a checkout under way is undone.
    async fn cancel_order(
        &self,
        context: &Context<'_>,
        input: EndOrderInput,
    ) -> Payload<OrderPayload> {
        let command = Command::Cancel { reason: input.reason };
        tell(context, input.order_id, input.expected_version, input.idempotency_key, command).await
    }

    /// Everything of a confirmed order was delivered.
    async fn complete_order(
        &self,
        context: &Context<'_>,
        input: OrderInput,
    ) -> Payload<OrderPayload> {
        tell(
            context,
            input.order_id,
            input.expected_version,
            input.idempotency_key,
            Command::Complete,
        )
        .await
    }

    /// Ends the checkout of an order: what it did is undone and the order cancelled.
    async fn abort_checkout(
        &self,
        context: &Context<'_>,
        input: EndOrderInput,
    ) -> Payload<CheckoutPayload> {
        let command = checkout::Command::Abort { reason: input.reason };
        tell_checkout(
            context,
            input.order_id,
            input.expected_version,
            input.idempotency_key,
            command,
        )
        .await
    }

    /// An operator mended what a stalled checkout waits for: it goes on.
    async fn retry_checkout(
        &self,
        context: &Context<'_>,
        input: OrderInput,
    ) -> Payload<CheckoutPayload> {
        let (order, command) = (input.order_id, checkout::Command::Retry);
        tell_checkout(context, order, input.expected_version, input.idempotency_key, command).await
    }
}

async fn tell(
    context: &Context<'_>,
    order: PublicOrderId,
    expected_version: Option<Long>,
    key: String,
    command: Command,
) -> Payload<OrderPayload> {
    let ask = Ask::new(context, Some(key), expected_version)?;
    let change = ask.send::<Order>(order.into(), command).await?;
    Ok(Some(OrderPayload::new(order.into(), change)))
}

async fn tell_checkout(
    context: &Context<'_>,
    order: PublicOrderId,
    expected_version: Option<Long>,
    key: String,
    command: checkout::Command,
) -> Payload<CheckoutPayload> {
    let ask = Ask::new(context, Some(key), expected_version)?;
    let id = checkout_id(order.into());
    let change = ask.send::<Checkout>(id, command).await?;
    Ok(Some(CheckoutPayload::new(id, change)))
}

impl OrderLineInput {
    fn read(self) -> WantedLine {
        WantedLine {
            product: self.product_id.into(),
            variant: self.variant_id.into(),
            location: self.location_id.into(),
            quantity: self.quantity.0,
        }
    }
}

//! What may be done to orders and their checkouts, as clients say it.

use std::time::Duration;

use async_graphql::{Context, InputObject, Object, OneofObject};

use super::{CheckoutNode, OrderNode};
use crate::errors::{INVALID_VALUE, UserError, coded};
use crate::gate;
use crate::ids::{
    PublicAccountId, PublicLocationId, PublicOrderId, PublicPriceListId, PublicProductId,
    PublicUserId, PublicVariantId,
};
use crate::mutation::{
    Answer, Payload, Target, change, inputs, made, mutations, payload, request, tell,
};
use crate::products::wanted_list;
use crate::scalars::{Long, Natural};
use application::orders::{self, Draft, WantedBuyer, WantedLine};
use domain::access::owner::Owner;
use domain::access::permission::Permission::OrdersWrite;
use domain::commerce::order::{Command, Order};
use domain::email::EmailAddress;
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
    /// The account whose order it is; without one it is the buyer's own.
    pub account_id: Option<PublicAccountId>,
    /// ISO 4217, upper case; every line is in it, at the prices of its default list unless
    /// `priceListId` says another. One of the two must be said.
    pub currency: Option<String>,
    pub price_list_id: Option<PublicPriceListId>,
    /// What it begins with: all of them, or no order.
    #[graphql(default)]
    pub lines: Vec<OrderLineInput>,
    pub idempotency_key: String,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

#[derive(InputObject)]
pub struct OrderLineInput {
    pub product_id: PublicProductId,
    pub variant_id: PublicVariantId,
    /// Where the stock is taken from.
    pub location_id: PublicLocationId,
    /// With other lines about the same stock item at most its `customerLimit`, 100 unless that was set.
    pub quantity: Long,
}

inputs! {
    Order { order_id: PublicOrderId } |input| input.order_id.into();
    { expected_version: Option<Long>, idempotency_key: String };

    AddOrderLineInput {
        product_id: PublicProductId,
        variant_id: PublicVariantId,
        /// Where the stock is taken from.
        location_id: PublicLocationId,
        /// With other lines about the same stock item at most its `customerLimit`, 100 unless that was
        /// set.
        quantity: Long
    }
    ChangeOrderLineInput {
        line: Natural,
        /// With other lines about the same stock item at most its `customerLimit`, 100 unless that was
        /// set.
        quantity: Long
    }
    RemoveOrderLineInput {
        line: Natural
    }
    OrderInput {}
    PlaceOrderInput {
        /// How long to wait, in milliseconds, for the checkout to confirm or cancel the order: 0 to
        /// 10,000. The order is placed whatever comes of it.
        #[graphql(default)]
        wait_ms: Natural
    }
    EndOrderInput {
        reason: String
    }
}

mutations! { OrderCommands {
    fn remove_order_line(input: RemoveOrderLineInput) -> OrderPayload =
        Command::RemoveLine { line: input.line.0 };

    /// Cancels an order that is not confirmed; a checkout under way is undone.
    fn cancel_order(input: EndOrderInput) -> OrderPayload =
        Command::Cancel { reason: input.reason };
} }

#[derive(Default)]
pub struct OrderUseCases;

#[Object]
impl OrderUseCases {
    /// Begins an order, with lines at the products' present prices in its price list. Its id follows
    /// from the idempotency key. It may be placed until `expiresAt`.
    async fn draft_order(
        &self,
        context: &Context<'_>,
        input: DraftOrderInput,
    ) -> Answer<OrderPayload> {
        let list = match wanted_list(input.price_list_id, input.currency.as_deref()) {
            Ok(list) => list,
            Err(error) => return Ok(Some(OrderPayload::refused(error))),
        };
        let mut owner = None;
        let buyer = match input.buyer {
            BuyerInput::UserId(user) => {
                let user = gate::buyer(context, user.into());
                WantedBuyer::User(user)
            }
            BuyerInput::GuestEmail(email) => match EmailAddress::parse(&email) {
                Ok(email) => {
                    owner = gate::owner_for_guest(context)?;
                    WantedBuyer::Guest(email)
                }
                Err(error) => {
                    let error = UserError::plain(error.code(), error, &["buyer", "guestEmail"]);
                    return Ok(Some(OrderPayload::refused(error)));
                }
            },
        };
        let account = input.account_id.map(|id| Owner::Account { id: id.into() });
        let account = account.map(|account| gate::owner(context, OrdersWrite, account));
        let owner = account.or(owner);
        let lines = input.lines.into_iter().map(OrderLineInput::read).collect();
        let request = request(context, Some(input.idempotency_key), None)?.rehearsed(input.dry_run);
        let drafted = orders::draft(&request, &Draft { buyer, owner, list, lines }).await;
        made(drafted)
    }

    /// Adds a line at the product's present price in the order's price list.
    async fn add_order_line(
        &self,
        context: &Context<'_>,
        mut input: AddOrderLineInput,
    ) -> Answer<OrderPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let line = WantedLine {
            product: input.product_id.into(),
            variant: input.variant_id.into(),
            location: input.location_id.into(),
            quantity: input.quantity.0,
        };
        let added = orders::add_line(&target.request(context)?, id, &line).await;
        Ok(Some(OrderPayload::new(id, change(added)?)))
    }

    /// Changes how many units a line is about.
    async fn change_order_line(
        &self,
        context: &Context<'_>,
        mut input: ChangeOrderLineInput,
    ) -> Answer<OrderPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let request = target.request(context)?;
        let changed = orders::change_line(&request, id, input.line.0, input.quantity.0).await;
        Ok(Some(OrderPayload::new(id, change(changed)?)))
    }

    /// The buyer wants it: lines and prices are frozen, and its checkout begins. Wait for its end
    /// here, or ask for `checkout` to see how far it is.
    async fn place_order(
        &self,
        context: &Context<'_>,
        mut input: PlaceOrderInput,
    ) -> Answer<OrderPayload> {
        let patience = Duration::from_millis(input.wait_ms.0.into());
        if patience > orders::WAIT_MAX {
            let message = format!("input.waitMs: at most {}", orders::WAIT_MAX.as_millis());
            return Err(coded(INVALID_VALUE, message));
        }
        let target = input.target(context).await?;
        let id = target.id;
        let placed = orders::place(&target.request(context)?, id, patience).await;
        Ok(Some(OrderPayload::new(id, change(placed)?)))
    }

    /// Gives the lines of a draft the prices that their products have now, after `PRICE_STALE`: look at
    /// them, then place the order.
    async fn reprice_order(
        &self,
        context: &Context<'_>,
        mut input: OrderInput,
    ) -> Answer<OrderPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let repriced = orders::reprice(&target.request(context)?, id).await;
        Ok(Some(OrderPayload::new(id, change(repriced)?)))
    }

    /// Everything of a confirmed order was delivered: refused as long as some of it was not shipped.
    async fn complete_order(
        &self,
        context: &Context<'_>,
        mut input: OrderInput,
    ) -> Answer<OrderPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let completed = orders::complete(&target.request(context)?, id).await;
        Ok(Some(OrderPayload::new(id, change(completed)?)))
    }

    /// Ends the checkout of an order: what it did is undone and the order cancelled.
    async fn abort_checkout(
        &self,
        context: &Context<'_>,
        mut input: EndOrderInput,
    ) -> Answer<CheckoutPayload> {
        let target = input.target(context).await?;
        tell_checkout(context, target, checkout::Command::Abort { reason: input.reason }).await
    }

    /// An operator mended what a stalled checkout waits for: it goes on.
    async fn retry_checkout(
        &self,
        context: &Context<'_>,
        mut input: OrderInput,
    ) -> Answer<CheckoutPayload> {
        tell_checkout(context, input.target(context).await?, checkout::Command::Retry).await
    }
}

/// The same target, but the checkout of the order that it names.
async fn tell_checkout(
    context: &Context<'_>,
    target: Target,
    command: checkout::Command,
) -> Answer<CheckoutPayload> {
    let target = Target { id: checkout_id(target.id), ..target };
    tell(context, target, || Ok(command), |error| error).await
}

impl OrderLineInput {
    pub(super) fn read(self) -> WantedLine {
        WantedLine {
            product: self.product_id.into(),
            variant: self.variant_id.into(),
            location: self.location_id.into(),
            quantity: self.quantity.0,
        }
    }
}

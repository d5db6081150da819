//! What may be done to orders. Names, prices and taxes come from the products, never from clients.

use std::time::Duration;

use async_graphql::{Context, InputObject, Object, OneofObject, Result};
use serde::Serialize;

use super::{CheckoutNode, OrderNode};
use crate::context::{Ask, engine, load, payload, wait_until};
use crate::errors::{UserError, coded, fault};
use crate::ids::{PublicLocationId, PublicOrderId, PublicProductId, PublicUserId, PublicVariantId};
use crate::lists::views;
use crate::scalars::Long;
use actors::aggregate_ref::Fault;
use actors::core::Committed;
use domain::commerce::order::{self, Buyer, Command, Line, Order};
use domain::id::{AggregateId, CustomerId, LocationId, VariantId};
use domain::money::{Currency, Money, Rate};
use domain::products::product::{self, Product};
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

/// The longest wait for the end of a checkout; less than proxies give a request.
const WAIT_MS_MAX: u32 = 10_000;
/// When a buyer may come back whom too many checkouts kept out.
const OVERLOAD_RETRY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct CommerceMutation;

type Payload<T> = Result<Option<T>>;

/// Whether an earlier try of the same did it, as far as memory tells: then its outcome is told
/// however much is waiting.
async fn done_before(
    context: &Context<'_>,
    id: AggregateId,
    done: impl Fn(&order::State) -> bool,
) -> bool {
    let order = engine(context).aggregate::<Order>(id);
    order.is_live() && order.read().await.is_ok_and(|read| read.version > 0 && done(&read.state))
}

/// Too many orders await the end of their checkout.
fn overloaded() -> async_graphql::Error {
    fault(&Fault::Overloaded { retry_after: OVERLOAD_RETRY })
}

#[Object]
impl CommerceMutation {
    /// Begins an order, with lines at the products' present list prices. Its id follows from the
    /// idempotency key.
    async fn draft_order(
        &self,
        context: &Context<'_>,
        input: DraftOrderInput,
    ) -> Payload<OrderPayload> {
        let second = engine(context).services.now().timestamp();
        let may = views(context).may_draft(&input.idempotency_key, second);
        let ask = Ask::new(context, Some(input.idempotency_key), None)?;
        let id = ask.new_id("draftOrder");
        if !may && !done_before(context, id, |_| true).await {
            return Err(overloaded());
        }
        let currency = match Currency::from_code(&input.currency) {
            Ok(currency) => currency,
            Err(error) => {
                let error = UserError::plain(error.code(), error, &["currency"]);
                return Ok(Some(OrderPayload::new(id, Err(error))));
            }
        };
        let buyer = match input.buyer {
            BuyerInput::UserId(user) => Buyer::Customer { id: CustomerId::from(user) },
            BuyerInput::GuestEmail(email) => Buyer::Guest { email },
        };
        let content = DraftContent {
            buyer: &buyer,
            currency,
            lines: input.lines.iter().map(LineContent::from).collect(),
        };
        let mut lines = Vec::with_capacity(content.lines.len());
        let mut unpriced = None;
        for (number, line) in content.lines.iter().enumerate() {
            match price(context, currency, line).await? {
                Ok(offer) => lines.push(line.priced(offer)),
                Err(error) => {
                    unpriced = Some(error.within(&["lines", &number.to_string()]));
                    // What is always refused if the key is not known: see `earlier`.
                    lines = vec![LineContent { quantity: 0, ..*line }.priced(Offer::of_probe())];
                    break;
                }
            }
        }
        let command = Command::Draft { buyer: buyer.clone(), currency, lines };
        let change = match (ask.send_for::<Order>(id, command, &content).await?, unpriced) {
            (Ok(committed), _) => Ok(committed),
            (Err(_), Some(error)) => Err(error),
            (Err(refusal), None) => Err(UserError::from(refusal)),
        };
        Ok(Some(OrderPayload::new(id, change)))
    }

    /// Adds a line at the product's present list price in the order's currency.
    async fn add_order_line(
        &self,
        context: &Context<'_>,
        input: AddOrderLineInput,
    ) -> Payload<OrderPayload> {
        let id = AggregateId::from(input.order_id);
        let ask = Ask::new(context, Some(input.idempotency_key.clone()), input.expected_version)?;
        let line = LineContent::from(&OrderLineInput {
            product_id: input.product_id,
            variant_id: input.variant_id,
            location_id: input.location_id,
            quantity: input.quantity,
        });
        let order = load::<Order>(context, id, None).await?;
        let offer = match order.and_then(|order| order.state().currency()) {
            Some(currency) => price(context, currency, &line).await?,
            None => Err(order::Refusal::NotFound.into()),
        };
        let change = match offer {
            Ok(offer) => match ask.send_for::<Order>(id, line.command(offer), &line).await? {
                Ok(committed) => Ok(committed),
                Err(refusal) => Err(UserError::from(refusal)),
            },
            Err(error) => match earlier(&ask, id, &line).await? {
                Some(committed) => Ok(committed),
                None => Err(error),
            },
        };
        Ok(Some(OrderPayload::new(id, change)))
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
        if input.wait_ms > WAIT_MS_MAX {
            let message = format!("waitMs is at most {WAIT_MS_MAX}");
            return Err(coded("INVALID_VALUE", message));
        }
        let order = AggregateId::from(input.order_id);
        let placed = |order: &order::State| order.status != order::Status::Draft;
        if !views(context).may_place() && !done_before(context, order, placed).await {
            return Err(overloaded());
        }
        let ask = Ask::new(context, Some(input.idempotency_key), input.expected_version)?;
        let change = ask.send::<Order>(order, Command::Place).await?;
        if change.is_ok() && input.wait_ms > 0 {
            let patience = Duration::from_millis(input.wait_ms.into());
            let ended = |state: &order::State| !state.status.awaits_checkout();
            wait_until::<Order>(context, order, ended, patience).await;
        }
        Ok(Some(OrderPayload::new(order, change)))
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

/// What the client said of an order: what the idempotency key guards.
#[derive(Serialize)]
struct DraftContent<'a> {
    buyer: &'a Buyer,
    currency: Currency,
    lines: Vec<LineContent>,
}

/// What the client said of a line: what the idempotency key guards.
#[derive(Clone, Copy, Serialize)]
struct LineContent {
    product: AggregateId,
    variant: VariantId,
    location: LocationId,
    quantity: i64,
}

/// What the server adds.
struct Offer {
    name: String,
    unit_price: Money,
    tax_rate: Rate,
}

impl Offer {
    /// Stands for what is not for sale any more.
    fn of_probe() -> Self {
        let currency = Currency::from_code("EUR").expect("there are euros");
        let (unit_price, tax_rate) = (Money::zero(currency), Rate::ZERO);
        Self { name: "a line added before".to_owned(), unit_price, tax_rate }
    }
}

impl From<&OrderLineInput> for LineContent {
    fn from(input: &OrderLineInput) -> Self {
        Self {
            product: input.product_id.into(),
            variant: input.variant_id.into(),
            location: input.location_id.into(),
            quantity: input.quantity.0,
        }
    }
}

impl LineContent {
    fn priced(&self, offer: Offer) -> Line {
        let Self { variant, location, quantity, .. } = *self;
        let Offer { name, unit_price, tax_rate } = offer;
        Line { variant, location, quantity, name, unit_price, tax_rate }
    }

    fn command(&self, offer: Offer) -> Command {
        let Line { variant, location, quantity, name, unit_price, tax_rate } = self.priced(offer);
        Command::AddLine { variant, location, quantity, name, unit_price, tax_rate }
    }
}

/// The present price of a variant in a currency, or why there is none.
async fn price(
    context: &Context<'_>,
    currency: Currency,
    line: &LineContent,
) -> Result<std::result::Result<Offer, UserError>> {
    let Some(product) = load::<Product>(context, line.product, None).await? else {
        return Ok(Err(product::Refusal::NotFound.into()));
    };
    let product = product.state();
    let variant = line.variant;
    let Some(known) = product.variants.get(&variant) else {
        return Ok(Err(product::Refusal::VariantNotFound.into()));
    };
    if product.status != product::Status::Published {
        let message = "the product is not for sale";
        return Ok(Err(UserError::plain("PRODUCT_NOT_FOR_SALE", message, &["productId"])));
    }
    let Some(unit_price) = product.list_price(variant, currency) else {
        let message = format!("the variant has no price in {currency}");
        return Ok(Err(UserError::plain("CURRENCY_MISMATCH", message, &["variantId"])));
    };
    let name = format!("{}, {}", product.name, known.name);
    let name = name.chars().take(order::NAME_CHARACTERS_MAX).collect();
    Ok(Ok(Offer { name, unit_price, tax_rate: product.tax_rate }))
}

/// The outcome of an earlier try with the same key, though the variant is not for sale any more.
/// What is sent to learn it, a line without units, is always refused if the key is not known.
async fn earlier(
    ask: &Ask<'_>,
    order: AggregateId,
    line: &LineContent,
) -> Result<Option<Committed>> {
    let probe = LineContent { quantity: 0, ..*line }.command(Offer::of_probe());
    Ok(ask.send_for::<Order>(order, probe, line).await?.ok())
}

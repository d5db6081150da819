//! Orders and checkouts as clients see them.

use async_graphql::{Context, Enum, Object, Result};

use crate::context::{Loaded, opened, take_values};
use crate::gathering::led_to;
use crate::ids::{
    PublicAccountId, PublicCustomerId, PublicHoldId, PublicLocationId, PublicOrderId,
    PublicPriceListId, PublicProductId, PublicUserId, PublicVariantId,
};
use crate::lists::{Asked, Known, Listed, UP_TO_DATE};
use crate::products::{LocationNode, PriceMode, ProductNode, TotalsNode};
use crate::scalars::{Instant, Long, MoneyOutput, micros};
use crate::texts::Text;
use ::sagas::checkout::{self, Checkout, Payment, hold_id};
use domain::commerce::order::{self, Buyer, Order, OrderNumber, Status};
use domain::email::EmailAddress;
use domain::id::AggregateId;
use domain::money::Rate;
use domain::products::location::Location;
use domain::products::product::Product;
use domain::sealed::{Opened, Sealed};
use domain::tax::RateTotals;
use projections::table::Stored;
use projections::tables::orders::Row;
use projections::tables::sagas;

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "order::Status")]
pub enum OrderStatus {
    Draft,
    PendingPayment,
    Placed,
    Confirmed,
    Completed,
    Cancelled,
    Expired,
}

pub struct OrderNode(pub Known<Order, Row>);

/// What a row says of an order beside what it says of every aggregate.
const HELD: &[&str] = &[
    "status",
    "number",
    "createdAt",
    "placedAt",
    "currency",
    "customerId",
    "userId",
    "accountId",
    "lineCount",
    "totals",
];

impl Listed for OrderNode {
    type Of = Order;

    fn whole(loaded: Loaded<Order>) -> Self {
        Self(loaded.into())
    }

    /// Whether a draft has expired, and what one comes to that was never placed, it knows itself.
    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        let (known, row) = Known::<Order, Row>::of_row(row, asked, &[UP_TO_DATE, HELD])?;
        let lacks_totals = row.totals.is_none() && asked.has("totals");
        (row.status != Status::Draft && !lacks_totals).then_some(Self(known))
    }
}

/// Lines at frozen prices, and how far the order has come.
#[Object(name = "Order")]
impl OrderNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<Order, Row> {
        &self.0
    }

    async fn status(&self) -> OrderStatus {
        match &self.0 {
            Known::Whole(order) => order.state().status_at(order.at()).into(),
            Known::Row(_, _, row) => row.status.into(),
        }
    }

    /// What people call it: `4T7K-9QHM-2XWB`, to be read out and typed, without characters that look
    /// alike, the last one a check. Give it to `order(number:)` in whatever case, with or without the
    /// signs between.
    async fn number(&self) -> String {
        OrderNumber::of(self.0.id()).to_string()
    }

    /// When it was drafted.
    async fn created_at(&self) -> Option<Instant> {
        match &self.0 {
            Known::Whole(order) => order.state().created_at.map(Instant),
            Known::Row(_, _, row) => micros(row.drafted_us),
        }
    }

    /// When its buyer placed it; null for a draft.
    async fn placed_at(&self) -> Option<Instant> {
        match &self.0 {
            Known::Whole(order) => order.state().placed_at.map(Instant),
            Known::Row(_, _, row) => row.placed_us.and_then(micros),
        }
    }

    /// When stock and payment were certain.
    async fn confirmed_at(&self) -> Option<Instant> {
        self.0.loaded().state().confirmed_at.map(Instant)
    }

    /// ISO 4217.
    async fn currency(&self) -> Option<String> {
        let currency = match &self.0 {
            Known::Whole(order) => order.state().currency(),
            Known::Row(_, _, row) => Some(row.currency),
        };
        currency.map(|currency| currency.code().to_owned())
    }

    /// Where the prices of its lines are taken from.
    async fn price_list_id(&self) -> Option<PublicPriceListId> {
        self.0.loaded().state().drafted.as_ref().map(|drafted| drafted.price_list.into())
    }

    /// Until when a draft may be placed: 30 days from when it was begun, however often it is changed.
    /// From then on it is `EXPIRED`. Null once it was placed.
    async fn expires_at(&self) -> Option<Instant> {
        let state = self.0.loaded().state();
        let open = matches!(state.status_at(self.0.loaded().at()), Status::Draft | Status::Expired);
        let drafted = state.drafted.as_ref().filter(|_| open && state.submitted.is_none())?;
        Some(Instant(drafted.expires_at))
    }

    /// Who holds the stock, registered or not.
    async fn customer_id(&self) -> Option<PublicCustomerId> {
        match &self.0 {
            Known::Whole(order) => order.state().buyer().map(|buyer| buyer.customer_id().into()),
            Known::Row(_, _, row) => Some(row.buyer.into()),
        }
    }

    /// The user who buys; null for a guest.
    async fn user_id(&self) -> Option<PublicUserId> {
        match &self.0 {
            Known::Whole(order) => match order.state().buyer()? {
                Buyer::Customer { id } => Some(PublicUserId(id.0)),
                Buyer::Guest { .. } => None,
            },
            Known::Row(_, _, row) => (!row.is_guest).then_some(PublicUserId(row.buyer.0)),
        }
    }

    /// The account whose order it is; null where it is the buyer's own.
    async fn account_id(&self) -> Option<PublicAccountId> {
        let owner = match &self.0 {
            Known::Whole(order) => order.state().drafted.as_ref()?.owner,
            Known::Row(_, _, row) => row.owner,
        };
        owner.account().map(PublicAccountId::from)
    }

    /// The address of a buyer who did not register.
    async fn guest_email(&self, context: &Context<'_>) -> Result<Option<String>> {
        let Some(address) = self.guest() else { return Ok(None) };
        Ok(opened(context, address).await?.text().map(|email| email.as_str().to_owned()))
    }

    /// What was known of a buyer who did not register is erased for good: `guestEmail` is null.
    async fn guest_erased(&self, context: &Context<'_>) -> Result<bool> {
        let Some(address) = self.guest() else { return Ok(false) };
        Ok(opened(context, address).await? == Opened::Erased)
    }

    /// How many lines it has.
    async fn line_count(&self) -> u32 {
        match &self.0 {
            Known::Whole(order) => u32::try_from(order.state().lines.len()).unwrap_or(u32::MAX),
            Known::Row(_, _, row) => row.lines,
        }
    }

    /// In the order in which they were added; at most 200.
    #[graphql(complexity = "10 * child_complexity + 1")]
    async fn lines(&self, context: &Context<'_>) -> Result<Vec<OrderLineNode<'_>>> {
        let lines = &self.0.loaded().state().lines;
        take_values(context, lines.len())?;
        let order = self.0.id();
        let lines = lines.iter();
        Ok(lines.map(|(number, line)| OrderLineNode { order, number: *number, line }).collect())
    }

    /// What the order comes to; frozen once it was placed.
    async fn totals(&self) -> Option<TotalsNode> {
        match &self.0 {
            Known::Whole(order) => order.state().sums().map(|sums| sums.totals.into()),
            Known::Row(_, _, row) => row.totals.map(TotalsNode::from),
        }
    }

    /// What of the totals each tax rate makes, the lowest rate first: sums of its lines.
    #[graphql(complexity = "3 * child_complexity + 1")]
    async fn taxes(&self, context: &Context<'_>) -> Result<Vec<RateTotalsNode>> {
        let state = self.0.loaded().state();
        let (Some(sums), Some(currency)) = (state.sums(), state.currency()) else {
            return Ok(Vec::new());
        };
        take_values(context, sums.taxes.len())?;
        let node = |of: &RateTotals| {
            Some(RateTotalsNode { rate: of.rate, totals: of.totals(currency).ok()?.into() })
        };
        Ok(sums.taxes.iter().filter_map(node).collect())
    }

    async fn payment_reference(&self) -> Option<&str> {
        self.0.loaded().state().payment_reference.as_deref()
    }

    /// Why it was cancelled, if it was.
    async fn cancelled_because(&self) -> Option<&str> {
        self.0.loaded().state().cancelled_because.as_deref()
    }
}

impl OrderNode {
    fn guest(&self) -> Option<&Sealed<EmailAddress>> {
        match self.0.loaded().state().buyer()? {
            Buyer::Customer { .. } => None,
            Buyer::Guest { email } => Some(&email.sealed),
        }
    }
}

pub struct OrderLineNode<'a> {
    order: AggregateId,
    number: u32,
    line: &'a order::Line,
}

/// So many units of a variant, at a price that no longer changes.
#[Object(name = "OrderLine")]
impl OrderLineNode<'_> {
    /// Names the line within its order.
    async fn line(&self) -> u32 {
        self.number
    }

    async fn variant_id(&self) -> PublicVariantId {
        self.line.variant.into()
    }

    async fn product_id(&self) -> PublicProductId {
        self.line.product.into()
    }

    /// The product as it is now; null where it is not on sale any more and is not shown to you.
    async fn product(&self, context: &Context<'_>) -> Result<Option<ProductNode>> {
        Ok(led_to::<Product>(context, self.line.product).await?.map(ProductNode::whole))
    }

    /// Where the stock is taken from.
    async fn location_id(&self) -> PublicLocationId {
        self.line.location.into()
    }

    /// That place, as it is now; null where nobody gave it a name.
    async fn location(&self, context: &Context<'_>) -> Result<Option<LocationNode>> {
        let id = AggregateId(self.line.location.0);
        Ok(led_to::<Location>(context, id).await?.map(LocationNode::whole))
    }

    /// The claim that the checkout makes on the stock: `shipHold` it when the goods leave.
    async fn hold_id(&self) -> PublicHoldId {
        hold_id(self.order, self.number).into()
    }

    async fn name(&self) -> &str {
        &self.line.name
    }

    async fn quantity(&self) -> Long {
        Long(self.line.quantity)
    }

    /// Of one unit.
    async fn unit_price(&self) -> MoneyOutput {
        MoneyOutput(self.line.price.amount)
    }

    /// Whether tax is inside `unitPrice`.
    async fn price_mode(&self) -> PriceMode {
        self.line.price.mode.into()
    }

    async fn tax_rate_millionths(&self) -> u32 {
        self.line.price.tax_rate.millionths()
    }

    /// Tax is rounded once per line, half to even.
    async fn totals(&self) -> Option<TotalsNode> {
        self.line.totals().ok().map(TotalsNode::from)
    }
}

pub struct RateTotalsNode {
    rate: Rate,
    totals: TotalsNode,
}

/// What the lines of one tax rate come to.
#[Object(name = "RateTotals")]
impl RateTotalsNode {
    async fn rate_millionths(&self) -> u32 {
        self.rate.millionths()
    }

    #[graphql(flatten)]
    async fn totals(&self) -> &TotalsNode {
        &self.totals
    }
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "checkout::Phase")]
pub enum CheckoutPhase {
    NotStarted,
    HoldingStock,
    Authorizing,
    CommittingStock,
    ConfirmingOrder,
    Completed,
    /// From here on it is being undone.
    Cancelling,
    Voiding,
    Releasing,
    Compensated,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentState {
    NotAsked,
    /// The provider has not answered, or not surely.
    Unknown,
    Authorized,
    Declined,
    Voided,
}

pub struct CheckoutNode(pub Known<Checkout, sagas::Row>);

/// What a row says of a checkout that is over.
const HELD_OF_CHECKOUTS: &[&str] = &["orderId", "phase", "attempts", "nextAttemptAt", "stalled"];

impl Listed for CheckoutNode {
    type Of = Checkout;

    fn whole(loaded: Loaded<Checkout>) -> Self {
        Self(loaded.into())
    }

    /// One that goes on knows itself at what it is.
    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        let held = [UP_TO_DATE, HELD_OF_CHECKOUTS];
        let (known, row) = Known::<Checkout, sagas::Row>::of_row(row, asked, &held)?;
        phase_of(&row).map(|_| Self(known))
    }
}

fn phase_of(row: &sagas::Row) -> Option<CheckoutPhase> {
    match row.state {
        sagas::State::Completed => Some(CheckoutPhase::Completed),
        sagas::State::Compensated => Some(CheckoutPhase::Compensated),
        sagas::State::Moving | sagas::State::Waiting | sagas::State::Stalled => None,
    }
}

/// How an order becomes a confirmed one, step by step, or is undone.
#[Object(name = "Checkout")]
impl CheckoutNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<Checkout, sagas::Row> {
        &self.0
    }

    async fn order_id(&self) -> Option<PublicOrderId> {
        let order = match &self.0 {
            Known::Whole(checkout) => checkout.state().order,
            Known::Row(_, _, row) => row.cause,
        };
        order.map(PublicOrderId::from)
    }

    async fn phase(&self) -> CheckoutPhase {
        match &self.0 {
            Known::Whole(checkout) => checkout.state().phase.into(),
            Known::Row(_, _, row) => phase_of(row).unwrap_or(CheckoutPhase::NotStarted),
        }
    }

    async fn payment(&self) -> PaymentState {
        match self.0.loaded().state().payment {
            Payment::NotAsked => PaymentState::NotAsked,
            Payment::Unknown => PaymentState::Unknown,
            Payment::Authorized { .. } => PaymentState::Authorized,
            Payment::Declined => PaymentState::Declined,
            Payment::Voided => PaymentState::Voided,
        }
    }

    /// The payment provider with whom it was authorised, by its name in the configuration.
    async fn payment_provider(&self) -> Option<&str> {
        self.0.loaded().state().provider.as_deref()
    }

    /// What is to be paid.
    async fn amount(&self) -> Option<MoneyOutput> {
        self.0.loaded().state().amount.map(MoneyOutput)
    }

    /// Failed tries of the present phase.
    async fn attempts(&self) -> u32 {
        match &self.0 {
            Known::Whole(checkout) => checkout.state().attempts,
            Known::Row(..) => 0,
        }
    }

    /// Not before then is the present phase tried again.
    async fn next_attempt_at(&self) -> Option<Instant> {
        match &self.0 {
            Known::Whole(checkout) => checkout.state().next_at.map(Instant),
            Known::Row(..) => None,
        }
    }

    /// It waits for an operator: see `retryCheckout`.
    async fn stalled(&self) -> bool {
        match &self.0 {
            Known::Whole(checkout) => checkout.state().stalled,
            Known::Row(..) => false,
        }
    }

    /// Why it is being undone, if it is.
    async fn reason(&self) -> Option<Text<'_>> {
        self.0.loaded().state().reason.as_ref().map(|reason| reason.to_string().into())
    }
}

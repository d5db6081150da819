//! What a cart would come to, without an order.

use async_graphql::{Context, Object, Result};

use super::mutation::OrderLineInput;
use crate::errors::{coded, fault};
use crate::ids::{PublicLocationId, PublicPriceListId, PublicProductId, PublicVariantId};
use crate::mutation::request;
use crate::products::TotalsNode;
use crate::scalars::{Long, MoneyOutput};
use actors::aggregate_ref::AskError;
use application::price_lists::WantedList;
use application::quotes::{self, Quote, QuotedLine};
use domain::aggregate::Refusal as _;
use domain::money::Currency;

pub struct QuoteNode(Quote);

/// What a cart would cost and whether it could be had, as everything stands now. Nothing is held for it.
#[Object(name = "Quote")]
impl QuoteNode {
    /// ISO 4217.
    async fn currency(&self) -> &str {
        self.0.currency.code()
    }

    /// Where the prices are taken from.
    async fn price_list_id(&self) -> PublicPriceListId {
        self.0.price_list.into()
    }

    /// As they were wanted.
    async fn lines(&self) -> Vec<QuotedLineNode<'_>> {
        self.0.lines.iter().map(QuotedLineNode).collect()
    }

    /// What the lines that have a price come to; null where that is no sum of money.
    async fn totals(&self) -> Option<TotalsNode> {
        self.0.sums.as_ref().map(|sums| sums.totals.into())
    }

    /// Whether an order of these lines would be taken now, and could be had.
    async fn is_orderable(&self) -> bool {
        !self.0.lines.is_empty() && self.0.lines.iter().all(|line| line.problem.is_none())
    }
}

pub struct QuotedLineNode<'a>(&'a QuotedLine);

/// A line of a cart.
#[Object(name = "QuotedLine")]
impl QuotedLineNode<'_> {
    async fn product_id(&self) -> PublicProductId {
        self.0.wanted.product.into()
    }

    async fn variant_id(&self) -> PublicVariantId {
        self.0.wanted.variant.into()
    }

    async fn location_id(&self) -> PublicLocationId {
        self.0.wanted.location.into()
    }

    async fn quantity(&self) -> Long {
        Long(self.0.wanted.quantity)
    }

    /// Null where it has no price.
    async fn name(&self) -> Option<&str> {
        self.0.offer.as_ref().map(|(name, _)| name.as_str())
    }

    /// Of one unit; null where it has no price.
    async fn unit_price(&self) -> Option<MoneyOutput> {
        self.0.offer.as_ref().map(|(_, price)| MoneyOutput(price.amount))
    }

    /// Tax is rounded once per line, half to even.
    async fn totals(&self) -> Option<TotalsNode> {
        let (_, price) = self.0.offer.as_ref()?;
        price.times(self.0.wanted.quantity).ok().map(TotalsNode::from)
    }

    /// Of the units that are wanted, so many could be claimed now, after those of the lines before.
    async fn available(&self) -> Long {
        Long(self.0.available)
    }

    /// The code of what is in its way, if something is.
    async fn code(&self) -> Option<&'static str> {
        self.0.problem.as_ref().map(|problem| problem.told().0)
    }

    /// The same in words.
    async fn message(&self) -> Option<String> {
        self.0.problem.as_ref().map(|problem| problem.told().1)
    }
}

#[derive(Default)]
pub struct QuoteQuery;

#[Object]
impl QuoteQuery {
    /// What these lines would cost and whether they could be had. In `currency`, at the prices of its default list
    /// unless `priceListId` says another; one of the two must be said. At most 200 lines.
    #[graphql(complexity = "lines.len() * (child_complexity + 10) + 10")]
    async fn quote(
        &self,
        context: &Context<'_>,
        lines: Vec<OrderLineInput>,
        currency: Option<String>,
        price_list_id: Option<PublicPriceListId>,
    ) -> Result<QuoteNode> {
        let currency = currency.as_deref().map(Currency::from_code).transpose();
        let currency = currency.map_err(|error| coded(error.code(), error.to_string()))?;
        let list = WantedList { list: price_list_id.map(Into::into), currency };
        let lines: Vec<_> = lines.into_iter().map(OrderLineInput::read).collect();
        let request = request(context, None, None)?;
        match quotes::quote(&request, list, &lines).await {
            Ok(quote) => Ok(QuoteNode(quote)),
            Err(AskError::Refused(refusal)) => Err(coded(refusal.code(), refusal.to_string())),
            Err(AskError::Fault(error)) => Err(fault(&error)),
        }
    }
}

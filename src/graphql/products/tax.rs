//! Amounts with their tax, as clients see them: of prices, of lines, of orders.

use async_graphql::{Enum, SimpleObject};

use crate::scalars::MoneyOutput;
use domain::tax;

/// What a price says of tax.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "tax::PriceMode")]
pub enum PriceMode {
    /// Tax comes on top.
    Net,
    /// Tax is inside: what is written is what is charged.
    Gross,
}

/// What something comes to: net and tax together are gross.
#[derive(SimpleObject)]
#[graphql(name = "Totals")]
pub struct TotalsNode {
    net: MoneyOutput,
    tax: MoneyOutput,
    gross: MoneyOutput,
}

impl From<tax::Totals> for TotalsNode {
    fn from(totals: tax::Totals) -> Self {
        let tax::Totals { net, tax, gross } = totals;
        Self { net: MoneyOutput(net), tax: MoneyOutput(tax), gross: MoneyOutput(gross) }
    }
}

//! Tax: whether a price has it inside or on top, and what it comes to, by line and by rate.
//!
//! Tax is the one number of a sale that is rounded: once for each line, half to even, to the minor
//! unit. The other two amounts of a line follow from it without rounding:
//!
//! ```text
//! net prices      net   = price × quantity          tax = round(net × rate)    gross = net + tax
//! gross prices    gross = price × quantity          net = round(gross / (1 + rate))
//!                                                   tax = gross - net
//! ```
//!
//! So a gross price is charged as it is written, to the minor unit and in any quantity. The amounts of
//! a rate, and of the whole, are the sums of its lines: there is no difference of rounding to record,
//! because nothing is rounded a second time. What was sold was sold by this rule: another rule would
//! need a [`PriceMode`] of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money, MoneyError, Rate};

/// What a price says of tax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PriceMode {
    /// Tax comes on top.
    Net,
    /// Tax is inside.
    Gross,
}

impl fmt::Display for PriceMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Net => "net",
            Self::Gross => "gross",
        })
    }
}

/// The price of one unit, with all that says which tax it bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UnitPrice {
    pub amount: Money,
    pub mode: PriceMode,
    pub tax_rate: Rate,
}

impl UnitPrice {
    /// What so many units come to, as one line.
    pub fn times(self, quantity: i64) -> Result<Totals, MoneyError> {
        let amount = self.amount.checked_mul(quantity)?;
        Ok(match self.mode {
            PriceMode::Net => {
                let tax = amount.at_rate(self.tax_rate);
                Totals { net: amount, tax, gross: amount.checked_add(tax)? }
            }
            PriceMode::Gross => {
                let net = amount.without_rate(self.tax_rate);
                Totals { net, tax: amount.checked_sub(net)?, gross: amount }
            }
        })
    }
}

/// What something comes to: net and tax together are gross.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub net: Money,
    pub tax: Money,
    pub gross: Money,
}

impl Totals {
    pub fn zero(currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self { net: zero, tax: zero, gross: zero }
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        Ok(Self {
            net: self.net.checked_add(other.net)?,
            tax: self.tax.checked_add(other.tax)?,
            gross: self.gross.checked_add(other.gross)?,
        })
    }
}

/// What the lines of one rate come to, in minor units of the currency of them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateTotals {
    pub rate: Rate,
    pub net_minor: i64,
    pub tax_minor: i64,
}

impl RateTotals {
    /// The same as amounts of money.
    pub fn totals(self, currency: Currency) -> Result<Totals, MoneyError> {
        let (net, tax) =
            (Money::new(self.net_minor, currency), Money::new(self.tax_minor, currency));
        Ok(Totals { net, tax, gross: net.checked_add(tax)? })
    }
}

/// What lines come to, as they were rounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub totals: Totals,
    /// By rate, the lowest first: together they are the totals.
    pub taxes: Vec<RateTotals>,
}

impl Sums {
    /// Sums lines of one currency, each a price and a quantity.
    pub fn of(
        currency: Currency,
        lines: impl IntoIterator<Item = (UnitPrice, i64)>,
    ) -> Result<Self, MoneyError> {
        let mut sums = Self { totals: Totals::zero(currency), taxes: Vec::new() };
        for (price, quantity) in lines {
            sums.add(price.tax_rate, price.times(quantity)?)?;
        }
        Ok(sums)
    }

    fn add(&mut self, rate: Rate, line: Totals) -> Result<(), MoneyError> {
        self.totals = self.totals.checked_add(line)?;
        let place = self.taxes.binary_search_by_key(&rate, |of| of.rate).unwrap_or_else(|place| {
            self.taxes.insert(place, RateTotals { rate, net_minor: 0, tax_minor: 0 });
            place
        });
        let of = &mut self.taxes[place];
        let sum = |one: i64, other: Money| one.checked_add(other.minor).ok_or(MoneyError::Overflow);
        of.net_minor = sum(of.net_minor, line.net)?;
        of.tax_minor = sum(of.tax_minor, line.tax)?;
        Ok(())
    }
}

#[cfg(test)]
#[path = "tax_tests.rs"]
mod tests;

//! The refusals of orders and checkouts as clients see them.

use crate::errors::{CustomerLimitReached, QuantityOutOfRange, UserError, path_of};
use crate::scalars::Long;
use application::orders;
use application::pricing::Unpriced;
use domain::aggregate::Refusal as _;
use domain::commerce::order;
use sagas::checkout;

impl From<order::Refusal> for UserError {
    fn from(refusal: order::Refusal) -> Self {
        use order::Refusal;
        let path: &[&str] = match &refusal {
            Refusal::InvalidText(text) => return Self::text(text),
            Refusal::InvalidQuantity { max, .. } => {
                return Self::QuantityOutOfRange(QuantityOutOfRange {
                    code: refusal.code().to_owned(),
                    message: refusal.to_string(),
                    path: path_of(&["quantity"]),
                    minimum: Long(1),
                    maximum: Long(*max),
                });
            }
            Refusal::OfLine { line, reason } => {
                return Self::from((**reason).clone()).within(&["lines", &line.to_string()]);
            }
            Refusal::NotFound => &["orderId"],
            Refusal::LineNotFound => &["line"],
            Refusal::Money(_) => &["quantity"],
            Refusal::AlreadyExists
            | Refusal::IllegalTransition { .. }
            | Refusal::Expired { .. }
            | Refusal::Confirmed { .. }
            | Refusal::TooManyLines { .. }
            | Refusal::InvalidPrice { .. }
            | Refusal::Empty
            | Refusal::PaymentConflict => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

impl From<orders::Refusal> for UserError {
    fn from(refusal: orders::Refusal) -> Self {
        match refusal {
            orders::Refusal::Order(refusal) => refusal.into(),
            orders::Refusal::List(refusal) => refusal.into(),
            orders::Refusal::Account(_) => Self::plain(refusal.code(), &refusal, &["accountId"]),
            orders::Refusal::Buyer(_) => {
                Self::plain(refusal.code(), &refusal, &["buyer", "userId"])
            }
            orders::Refusal::NotAnyMore(_)
            | orders::Refusal::Repriced { .. }
            | orders::Refusal::Gone { .. }
            | orders::Refusal::ClosedSince { .. }
            | orders::Refusal::NotShipped { .. } => {
                Self::plain(refusal.code(), &refusal, &["orderId"])
            }
            orders::Refusal::Closed { line } => {
                let error = Self::plain(refusal.code(), &refusal, &["locationId"]);
                match line {
                    Some(line) => error.within(&["lines", &line.to_string()]),
                    None => error,
                }
            }
            orders::Refusal::TooMuchForOne { line, limit, others } => {
                let error = Self::CustomerLimitReached(CustomerLimitReached {
                    code: refusal.code().to_owned(),
                    message: refusal.to_string(),
                    path: path_of(&["quantity"]),
                    limit: Long(limit),
                    held: Long(others),
                });
                match line {
                    Some(line) => error.within(&["lines", &line.to_string()]),
                    None => error,
                }
            }
            orders::Refusal::Unpriced { line: None, reason } => reason.into(),
            orders::Refusal::Unpriced { line: Some(line), reason } => {
                Self::from(reason).within(&["lines", &line.to_string()])
            }
        }
    }
}

impl From<Unpriced> for UserError {
    fn from(refusal: Unpriced) -> Self {
        let path = match &refusal {
            Unpriced::Product(refusal) => return refusal.clone().into(),
            Unpriced::NotForSale => "productId",
            Unpriced::NotInThisList => "variantId",
        };
        Self::plain(refusal.code(), &refusal, &[path])
    }
}

impl From<checkout::Refusal> for UserError {
    fn from(refusal: checkout::Refusal) -> Self {
        use checkout::Refusal;
        let path: &[&str] = match &refusal {
            Refusal::InvalidText(text) => return Self::text(text),
            Refusal::NotFound => &["orderId"],
            _ => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

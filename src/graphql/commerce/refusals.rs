//! The refusals of orders and checkouts as clients see them.

use crate::errors::{QuantityOutOfRange, UserError, path_of};
use crate::scalars::Long;
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
            Refusal::NotFound => &["orderId"],
            Refusal::LineNotFound => &["line"],
            Refusal::InvalidEmail { .. } => &["buyer", "guestEmail"],
            Refusal::Money(_) => &["quantity"],
            Refusal::AlreadyExists
            | Refusal::IllegalTransition { .. }
            | Refusal::TooManyLines { .. }
            | Refusal::InvalidPrice { .. }
            | Refusal::Empty
            | Refusal::PaymentConflict => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
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

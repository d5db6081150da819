//! Why goods were not moved, as the log keeps it and clients are told.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::REASON_CHARACTERS_MAX;
use domain::aggregate::Refusal as _;
use domain::products::stock_item;

/// See the module. What clients see more of than a code and a message is kept in its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Why {
    /// The source has not so many.
    InsufficientStock {
        available: i64,
        requested: i64,
    },
    /// The destination has no room for so many.
    InvalidQuantity {
        quantity: i64,
        min: i64,
        max: i64,
    },
    NotOpen {},
    /// One of the two sides refused otherwise.
    Refused {
        code: String,
        message: String,
    },
    /// Nobody could say for long enough whether it happened.
    GivenUp {},
    Aborted {
        reason: String,
    },
}

impl Why {
    /// The refusal of the stock, where there is more in it than a code and a message.
    pub fn stock_refusal(&self) -> Option<stock_item::Refusal> {
        use stock_item::Refusal;
        match *self {
            Self::InsufficientStock { available, requested } => {
                Some(Refusal::InsufficientStock { available, requested })
            }
            Self::InvalidQuantity { quantity, min, max } => {
                Some(Refusal::InvalidQuantity { quantity, min, max })
            }
            Self::NotOpen {} => Some(Refusal::NotOpen),
            Self::Refused { .. } | Self::GivenUp {} | Self::Aborted { .. } => None,
        }
    }

    /// The stable code that clients see, where [`stock_refusal`](Self::stock_refusal) has none.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::GivenUp {} => "TRANSFER_GIVEN_UP",
            Self::Aborted { .. } => "TRANSFER_ABORTED",
            Self::InsufficientStock { .. } | Self::InvalidQuantity { .. } | Self::NotOpen {} => {
                self.stock_refusal().map_or("TRANSFER_GIVEN_UP", |refusal| refusal.code())
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(refusal) = self.stock_refusal() {
            return refusal.fmt(formatter);
        }
        match self {
            Self::Refused { message, .. } => formatter.write_str(message),
            Self::Aborted { reason } => write!(formatter, "aborted: {reason}"),
            _ => formatter.write_str("given up after many tries; nothing was moved"),
        }
    }
}

impl From<&stock_item::Refusal> for Why {
    fn from(refusal: &stock_item::Refusal) -> Self {
        use stock_item::Refusal;
        match refusal {
            Refusal::InsufficientStock { available, requested } => {
                Self::InsufficientStock { available: *available, requested: *requested }
            }
            Refusal::InvalidQuantity { quantity, min, max } => {
                Self::InvalidQuantity { quantity: *quantity, min: *min, max: *max }
            }
            Refusal::NotOpen => Self::NotOpen {},
            other => {
                let message = other.to_string().chars().take(REASON_CHARACTERS_MAX).collect();
                Self::Refused { code: other.code().to_owned(), message }
            }
        }
    }
}

//! What is known of a payment. The word between sagas, which wait for it, and the port to payment
//! providers, which says it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// What a payment provider says of a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum PaymentOutcome {
    /// `provider`: the name, by configuration, of the one with whom the payment stands.
    Approved {
        amount: Money,
        provider: Arc<str>,
    },
    Declined {
        code: String,
    },
    /// No answer, or none yet: it may have happened.
    Unknown,
    /// The provider was asked and has never heard of the reference.
    NotFound,
}

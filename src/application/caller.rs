//! Who asks, and what the events that come of it say of the asking. Never what is asked for.

use std::sync::Arc;

use auth::Principal;
use uuid::Uuid;

/// What is known of whoever asks, by whatever entrance.
#[derive(Clone, Debug)]
pub struct Caller {
    pub principal: Principal,
    pub correlation_id: Uuid,
    /// The W3C `traceparent`, checked.
    pub trace: Option<Arc<str>>,
}

//! Who is erased by rule, so many days after what he had here was over: as the configuration says, and by nobody
//! otherwise. Knows when; how somebody is erased is a use case, which this room does not see.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::aggregate_ref::AskError;
use domain::id::AggregateId;
use projections::timers::DAY_US;

pub use projections::timers::Rule;

/// After how many days; none: never. Configured under `[retention]` by the same names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionOptions {
    /// Users who closed their account, from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_users_days: Option<u32>,
    /// Guests, from when their last order was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guests_days: Option<u32>,
}

impl RetentionOptions {
    /// How long after it was over, in microseconds; nothing where that never comes.
    pub fn after_us(&self, rule: Rule) -> Option<i64> {
        let days = match rule {
            Rule::ClosedUsers => self.closed_users_days,
            Rule::Guests => self.guests_days,
        };
        days.map(|days| i64::from(days) * DAY_US)
    }
}

/// People who are erased by rule at one time.
pub const ERASED_AT_ONCE: usize = 4;

/// Whoever erases.
pub trait Erases: Send + Sync + 'static {
    /// Erases whom the aggregate of a row is about: a user, the guest of an order. `since_us`: what was over by
    /// then is up. Done again, it changes nothing.
    fn erase(
        &self,
        rule: Rule,
        of: AggregateId,
        since_us: i64,
    ) -> BoxFuture<'static, Result<(), AskError<String>>>;
}

/// The rules, and who carries them out.
#[derive(Clone, Default)]
pub struct Retention {
    pub options: RetentionOptions,
    /// Nobody is erased without.
    pub erases: Option<Arc<dyn Erases>>,
}
